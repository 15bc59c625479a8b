// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {
    CallProof,
    Comparison,
    Condition,
    Extras,
    Grant,
    ISpendPolicy,
    Rule,
    Tail
} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {RuledTest, Router} from "../base/RuledTest.sol";

/// Which calls an operation of kind 4 may make, and what they count.
contract ValidateUserOpRuledTest is RuledTest {
    uint256 private constant ALL = 15;
    uint256 private _salt = 1;

    function _spent(Grant memory terms) private view returns (uint256) {
        // Units of 10^15 for the standard grant.
        return uint256(account.usage(account.policyIdOf(terms)).spent) * 1e15;
    }

    function _withFunctions(uint256 functions) private view returns (Grant memory) {
        Extras memory extras;
        extras.functions = functions;
        return grantWith(extras);
    }

    function _withRule(Rule memory rule) private view returns (Grant memory) {
        Extras memory extras;
        extras.rules = rootOf(rule);
        return grantWith(extras);
    }

    function test_ruled_paysUnderPlainGrant(uint256 amount) public {
        amount = bound(amount, 0, 5 ether);
        Grant memory terms = standardGrant();
        install(terms);
        send(build(terms, payment(2, amount), payeePath(2)));
        assertEq(token.balanceOf(payees[2]), amount);
        assertTrue(_spent(terms) >= amount && _spent(terms) < amount + 1e15, "not counted");
    }

    function test_ruled_paysNative() public {
        Grant memory terms = _withFunctions(ALL);
        terms.asset = address(0);
        install(terms);
        send(build(terms, Execution(payees[1], 2 ether, ""), payeePath(1)));
        assertEq(payees[1].balance, 2 ether);
        assertEq(_spent(terms), 2 ether);
    }

    function test_ruled_batchCountsTheSum() public {
        Grant memory terms = standardGrant();
        install(terms);
        bytes memory callData = batch(payment(0, 2 ether), payment(7, 3 ether));
        CallProof[] memory proofs = list(payeePath(0), payeePath(7));
        send(build(ruledDraft(terms, callData), tailOf(terms, proofs)));
        assertEq(_spent(terms), 5 ether);
        callData = batch(payment(0, 2 ether), payment(7, 3 ether + 1));
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.OverPerCall.selector, 5 ether + 1, 5 ether);
        refused(build(ruledDraft(terms, callData), tailOf(terms, proofs)), reason);
    }

    function test_ruled_reverts_batchWithoutCallsOrTooMany(uint256 count) public {
        count = bound(count, 0, 1) == 0 ? 0 : 17;
        Grant memory terms = standardGrant();
        install(terms);
        Execution[] memory calls = new Execution[](count);
        CallProof[] memory proofs = new CallProof[](count);
        for (uint256 i = 0; i < count; ++i) (calls[i], proofs[i]) = (payment(0, 1), payeePath(0));
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.CallCountNotAllowed.selector, count);
        refused(build(ruledDraft(terms, batch(calls)), tailOf(terms, proofs)), reason);
    }

    function test_ruled_batchOf16() public {
        Grant memory terms = standardGrant();
        install(terms);
        Execution[] memory calls = new Execution[](16);
        CallProof[] memory proofs = new CallProof[](16);
        for (uint256 i = 0; i < 16; ++i) (calls[i], proofs[i]) = (payment(0, 0.1 ether), payeePath(0));
        send(build(ruledDraft(terms, batch(calls)), tailOf(terms, proofs)));
        assertEq(_spent(terms), 1.6 ether);
    }

    function test_ruled_reverts_proofsForOtherCalls(uint8 count) public {
        Grant memory terms = standardGrant();
        install(terms);
        CallProof[] memory proofs = new CallProof[](bound(count, 0, 4));
        for (uint256 i = 0; i < proofs.length; ++i) proofs[i] = payeePath(0);
        if (proofs.length != 1) {
            bytes memory reason = abi.encodeWithSelector(
                ISpendPolicy.CallCountNotAllowed.selector,
                uint256(1)
            );
            refused(build(ruledDraft(terms, single(payment(0, 1))), tailOf(terms, proofs)), reason);
        }
        if (proofs.length != 2) {
            bytes memory reason = abi.encodeWithSelector(
                ISpendPolicy.CallCountNotAllowed.selector,
                uint256(2)
            );
            bytes memory callData = batch(payment(0, 1), payment(0, 1));
            refused(build(ruledDraft(terms, callData), tailOf(terms, proofs)), reason);
        }
        if (proofs.length != 0) {
            Draft memory d = ruledDraft(terms, "");
            bytes memory reason = abi.encodeWithSelector(
                ISpendPolicy.CallCountNotAllowed.selector,
                uint256(0)
            );
            refused(build(d, tailOf(terms, proofs)), reason);
        }
    }

    function test_ruled_reverts_notPayee(address payee) public {
        for (uint256 i = 0; i < 8; ++i) vm.assume(payee != payees[i]);
        Grant memory terms = _withFunctions(ALL);
        install(terms);
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.PayeeNotAllowed.selector, payee);
        bytes[4] memory data = [
            abi.encodeCall(token.transfer, (payee, 1)),
            abi.encodeCall(token.transferFrom, (address(account), payee, 1)),
            abi.encodeCall(token.approve, (payee, 1)),
            abi.encodeWithSignature("increaseAllowance(address,uint256)", payee, 1)
        ];
        for (uint256 i = 0; i < 4; ++i) refused(build(terms, tokenCall(data[i]), payeePath(3)), reason);
    }

    /// With no payees, zero would be its own root.
    function test_ruled_reverts_zeroPayee() public {
        Grant memory terms = _withFunctions(ALL);
        terms.payees = 0;
        install(terms);
        CallProof memory nothing;
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.PayeeNotAllowed.selector, address(0));
        refused(build(terms, tokenCall(abi.encodeCall(token.transfer, (address(0), 1))), nothing), reason);
        refused(build(terms, tokenCall(abi.encodeCall(token.approve, (address(0), 1))), nothing), reason);
        terms.asset = address(0);
        install(terms);
        refused(build(terms, Execution(address(0), 1, ""), nothing), reason);
    }

    function test_ruled_functionsCountAndNeedTheirBit(uint8 allowed) public {
        uint256 functions = bound(allowed, 0, ALL);
        Grant memory terms = _withFunctions(functions);
        install(terms);
        address payee = payees[3];
        bytes[4] memory data = [
            abi.encodeCall(token.transferFrom, (address(account), payee, 1 ether)),
            abi.encodeCall(token.approve, (payee, 1 ether)),
            abi.encodeWithSignature("increaseAllowance(address,uint256)", payee, 1 ether),
            abi.encodeWithSignature(
                "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
                address(account),
                payee,
                1 ether,
                type(uint256).max,
                27,
                bytes32(0),
                bytes32(0)
            )
        ];
        for (uint256 i = 0; i < 4; ++i) {
            PackedUserOperation memory op = build(terms, tokenCall(data[i]), payeePath(3));
            if (functions & (1 << i) == 0) {
                refused(
                    op,
                    abi.encodeWithSelector(ISpendPolicy.FunctionNotAllowed.selector, bytes4(data[i]))
                );
                continue;
            }
            uint256 before = _spent(terms);
            send(bundle(op)); // may fail in execution: the token may not know the function
            assertEq(_spent(terms), before + 1 ether);
        }
    }

    function test_ruled_reverts_moneyOfOthers(address other_) public {
        vm.assume(other_ != address(account));
        Grant memory terms = _withFunctions(ALL);
        install(terms);
        bytes memory reason = abi.encodeWithSelector(
            ISpendPolicy.ArgumentNotAllowed.selector,
            uint256(0),
            bytes32(uint256(uint160(other_)))
        );
        bytes memory pull = abi.encodeCall(token.transferFrom, (other_, payees[3], 1));
        refused(build(terms, tokenCall(pull), payeePath(3)), reason);
        bytes memory permit = abi.encodeWithSignature(
            "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
            other_,
            payees[3],
            1,
            type(uint256).max,
            27,
            bytes32(0),
            bytes32(0)
        );
        refused(build(terms, tokenCall(permit), payeePath(3)), reason);
    }

    /// Any other function of the token, whatever it is called with.
    function test_ruled_reverts_otherFunctionOfTheToken(
        bytes4 selector,
        bytes32 first,
        bytes32 second
    ) public {
        vm.assume(
            selector != token.transfer.selector &&
                selector != token.transferFrom.selector &&
                selector != token.approve.selector &&
                selector != bytes4(keccak256("increaseAllowance(address,uint256)")) &&
                selector != bytes4(keccak256("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"))
        );
        Grant memory terms = _withFunctions(ALL);
        install(terms);
        refused(
            build(terms, tokenCall(abi.encodePacked(selector, first, second)), payeePath(3)),
            abi.encodeWithSelector(ISpendPolicy.FunctionNotAllowed.selector, selector)
        );
    }

    function test_ruled_reverts_argumentsCutOrAppended(uint8 cut) public {
        Grant memory terms = _withFunctions(ALL);
        install(terms);
        bytes memory data = abi.encodeCall(token.approve, (payees[3], 1));
        bytes memory shorter = new bytes(bound(cut, 4, 67));
        for (uint256 i = 0; i < shorter.length; ++i) shorter[i] = data[i];
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector);
        refused(build(terms, tokenCall(shorter), payeePath(3)), reason);
        refused(build(terms, tokenCall(bytes.concat(data, hex"00")), payeePath(3)), reason);
        bytes memory pulled = abi.encodeCall(token.transferFrom, (address(account), payees[3], 1));
        refused(build(terms, tokenCall(bytes.concat(pulled, hex"00")), payeePath(3)), reason);
        bytes4 permit = bytes4(keccak256("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"));
        bytes memory permitted = abi.encodePacked(permit, abi.encode(account, payees[3], 1), new bytes(129));
        refused(build(terms, tokenCall(permitted), payeePath(3)), reason);
        bytes memory dirty = abi.encodePacked(
            token.approve.selector,
            bytes12(hex"01"),
            payees[3],
            uint256(1)
        );
        refused(build(terms, tokenCall(dirty), payeePath(3)), reason);
    }

    function test_ruled_callsByRule(uint256 amount) public {
        amount = bound(amount, 0, 5 ether);
        Rule memory rule = swapRule(5 ether, 2);
        Grant memory terms = _withRule(rule);
        install(terms);
        PackedUserOperation memory op = build(terms, swapCall(amount, address(account)), byRule(rule));
        vm.expectEmit(address(router));
        emit Router.Swapped(address(account), address(token), amount, address(account), 0);
        send(op);
        assertTrue(_spent(terms) >= amount && _spent(terms) < amount + 1e15, "not counted");
    }

    function test_ruled_approveAndSwapInOne() public {
        Rule memory rule = swapRule(5 ether, 0);
        Extras memory extras;
        extras.rules = rootOf(rule);
        extras.functions = 2;
        Grant memory terms = grantWith(extras);
        install(terms);
        bytes memory callData = batch(
            tokenCall(abi.encodeCall(token.approve, (payees[3], 4 ether))),
            swapCall(4 ether, address(account))
        );
        send(build(ruledDraft(terms, callData), tailOf(terms, list(payeePath(3), byRule(rule)))));
        assertEq(_spent(terms), 4 ether);
        assertEq(token.allowance(address(account), payees[3]), 4 ether);
    }

    function test_ruled_reverts_conditions(uint256 amount, address recipient, address tokenIn) public {
        Rule memory rule = swapRule(5 ether, 0);
        Grant memory terms = _withRule(rule);
        install(terms);
        bytes memory data = abi.encodeCall(router.swap, (tokenIn, amount, recipient));
        bytes memory reason = "";
        if (tokenIn != address(token)) {
            reason = abi.encodeWithSelector(
                ISpendPolicy.ArgumentNotAllowed.selector,
                uint256(0),
                bytes32(uint256(uint160(tokenIn)))
            );
        } else if (amount > 5 ether) {
            reason = abi.encodeWithSelector(
                ISpendPolicy.ArgumentNotAllowed.selector,
                uint256(1),
                bytes32(amount)
            );
        } else if (recipient != address(account)) {
            reason = abi.encodeWithSelector(
                ISpendPolicy.ArgumentNotAllowed.selector,
                uint256(2),
                bytes32(uint256(uint160(recipient)))
            );
        }
        if (reason.length == 0) return;
        refused(build(terms, Execution(address(router), 0, data), byRule(rule)), reason);
    }

    function _comparisonHolds(Comparison comparison, uint256[] memory operands, uint256 actual) private {
        Rule memory rule = swapRule(0, 0);
        rule.conditions = new Condition[](1);
        rule.conditions[0] = Condition(1, comparison, operands);
        Grant memory terms = _withRule(rule);
        terms.salt = ++_salt;
        install(terms);
        bool expected = comparison == Comparison.AtMost ? actual <= operands[0] : actual >= operands[0];
        if (comparison == Comparison.In) expected = actual == operands[0] || actual == operands[1];
        PackedUserOperation memory op = build(terms, swapCall(actual, address(0)), byRule(rule));
        if (expected) send(op);
        else
            refused(
                op,
                abi.encodeWithSelector(ISpendPolicy.ArgumentNotAllowed.selector, uint256(1), bytes32(actual))
            );
    }

    function test_ruled_comparisons(uint256 operand, uint256 otherOperand, uint8 off) public {
        uint256[] memory two = new uint256[](2);
        (two[0], two[1]) = (operand, otherOperand);
        uint256[3] memory actual = [operand, otherOperand, 0];
        unchecked {
            actual[2] = operand + off;
        }
        for (uint256 i = 0; i < 3; ++i) {
            _comparisonHolds(Comparison.AtMost, one(operand), actual[i]);
            _comparisonHolds(Comparison.AtLeast, one(operand), actual[i]);
            _comparisonHolds(Comparison.In, two, actual[i]);
        }
    }

    /// A condition that says nothing is never met.
    function test_ruled_reverts_malformedCondition(uint8 count) public {
        uint256[] memory operands = new uint256[](bound(count, 0, 3));
        for (uint8 comparison = 0; comparison < 3; ++comparison) {
            if (comparison == 0 && operands.length != 0) continue;
            if (comparison != 0 && operands.length == 1) continue;
            Rule memory rule = swapRule(0, 0);
            rule.conditions = new Condition[](1);
            rule.conditions[0] = Condition(1, Comparison(comparison), operands);
            Grant memory terms = _withRule(rule);
            terms.salt = comparison;
            install(terms);
            refused(
                build(terms, swapCall(0, address(0)), byRule(rule)),
                abi.encodeWithSelector(ISpendPolicy.ArgumentNotAllowed.selector, uint256(1), bytes32(0))
            );
        }
    }

    /// Calldata that ends before (or within) the word a condition, or the count, is about.
    function test_ruled_reverts_missingArgument(uint8 length, uint256 word, bool counts) public {
        bytes memory arguments = new bytes(bound(length, 0, 96));
        word = bound(word, arguments.length / 32, counts ? type(uint256).max - 1 : type(uint256).max);
        Rule memory rule = swapRule(0, 0);
        rule.conditions = new Condition[](counts ? 0 : 1);
        if (counts) rule.spends = word + 1;
        else rule.conditions[0] = Condition(word, Comparison.AtLeast, one(0));
        Grant memory terms = _withRule(rule);
        install(terms);
        bytes memory data = bytes.concat(router.swap.selector, arguments);
        refused(
            build(terms, Execution(address(router), 0, data), byRule(rule)),
            abi.encodeWithSelector(ISpendPolicy.ArgumentNotAllowed.selector, word, bytes32(0))
        );
    }

    /// A function without arguments is four bytes of calldata; three of them are none, though they read as one that ends in zero.
    function test_ruled_needsAWholeSelector() public {
        Rule memory rule;
        (rule.target, rule.selector) = (other, 0x12345600);
        Grant memory terms = _withRule(rule);
        install(terms);
        send(build(terms, Execution(other, 0, hex"12345600"), byRule(rule)));
        refused(
            build(terms, Execution(other, 0, hex"123456"), byRule(rule)),
            abi.encodeWithSelector(ISpendPolicy.RuleNotAllowed.selector, other, rule.selector)
        );
    }

    function test_ruled_reverts_otherRule(address target, bytes4 selector, bytes32 salt) public {
        Rule memory rule = swapRule(5 ether, 0);
        Grant memory terms = _withRule(rule);
        install(terms);
        vm.assume(target != address(token) && target != address(router) && target != address(0));
        bytes memory data = abi.encodePacked(selector, new bytes(96));
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.RuleNotAllowed.selector, target, selector);
        // The granted rule for another target; a rule nobody granted; no rule at all.
        refused(build(terms, Execution(target, 0, data), byRule(rule)), reason);
        Rule memory own = swapRule(5 ether, uint256(salt) % 3);
        (own.target, own.selector) = (target, selector);
        refused(build(terms, Execution(target, 0, data), byRule(own)), reason);
        CallProof memory nothing;
        refused(build(terms, Execution(target, 0, data), nothing), reason);
    }

    /// Not even the owner can let these go uncounted.
    function test_ruled_reverts_reservedSelectors(address target) public {
        vm.assume(target != address(token));
        bytes4[24] memory reserved = [
            bytes4(0xa9059cbb),
            0x23b872dd,
            0x095ea7b3,
            0x39509351,
            0xd505accf,
            0xd73dd623,
            0x8fcbaf0c,
            0x9fd5a6cf,
            0x1296ee62,
            0x4000aea0,
            0xd8fbe994,
            0xc1d34b89,
            0x3177029f,
            0xcae9ca51,
            0x9bd9bbc6,
            0x62ad1b83,
            0x959b8c3f,
            0xb753a98c,
            0xf2d5d56b,
            0xbb35783b,
            0x8fcb4e5b,
            0x6d780459,
            0xcf092995,
            0xe3ee160e
        ];
        for (uint256 i = 0; i < reserved.length; ++i) {
            Rule memory rule;
            (rule.target, rule.selector) = (target, reserved[i]);
            Grant memory terms = _withRule(rule);
            install(terms);
            refused(
                build(
                    terms,
                    Execution(target, 0, abi.encodePacked(reserved[i], new bytes(96))),
                    byRule(rule)
                ),
                abi.encodeWithSelector(ISpendPolicy.RuleNotAllowed.selector, target, reserved[i])
            );
        }
    }

    function test_ruled_reverts_ruleForOwnParts(bytes4 selector) public {
        address[3] memory own = [address(account), address(entryPoint), address(log)];
        // Reserved ones are refused for another reason.
        if (selector == token.transfer.selector) selector = account.execute.selector;
        for (uint256 i = 0; i < 3; ++i) {
            Rule memory rule;
            (rule.target, rule.selector) = (own[i], selector);
            Grant memory terms = _withRule(rule);
            install(terms);
            PackedUserOperation memory op = build(
                terms,
                Execution(own[i], 0, abi.encodePacked(selector)),
                byRule(rule)
            );
            assertTrue(!trySend(op), "called its own part");
        }
    }

    function test_ruled_reverts_valueWithToken(uint256 value) public {
        value = bound(value, 1, 1 ether);
        Rule memory rule = swapRule(5 ether, 0);
        Grant memory terms = _withRule(rule);
        install(terms);
        Execution memory call = swapCall(1, address(account));
        call.value = value;
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector);
        refused(build(terms, call, byRule(rule)), reason);
        call = payment(0, 1);
        call.value = value;
        refused(build(terms, call, payeePath(0)), reason);
    }

    function test_ruled_valueByRuleCounts() public {
        Rule memory rule = swapRule(5 ether, 0);
        Grant memory terms = _withRule(rule);
        terms.asset = address(0);
        install(terms);
        Execution memory call = swapCall(1, address(account));
        call.value = 3 ether;
        send(build(terms, call, byRule(rule)));
        assertEq(_spent(terms), 3 ether);
        assertEq(address(router).balance, 3 ether);
        call.value = 5 ether + 1;
        refused(
            build(terms, call, byRule(rule)),
            abi.encodeWithSelector(ISpendPolicy.OverPerCall.selector, 5 ether + 1, 5 ether)
        );
    }

    function test_ruled_reverts_overflowOfTheSum() public {
        Rule memory rule = swapRule(type(uint256).max, 2);
        Grant memory terms = _withRule(rule);
        install(terms);
        bytes memory callData = batch(
            swapCall(type(uint256).max, address(account)),
            swapCall(2, address(account))
        );
        PackedUserOperation memory op = build(
            ruledDraft(terms, callData),
            tailOf(terms, list(byRule(rule), byRule(rule)))
        );
        assertTrue(!trySend(op), "overflowed");
    }

    function test_ruled_emptyOperation() public {
        Grant memory terms = _withFunctions(ALL);
        install(terms);
        send(build(ruledDraft(terms, ""), tailOf(terms, new CallProof[](0))));
        assertEq(_spent(terms), 0);
        assertEq(account.usage(account.policyIdOf(terms)).size, size);
    }
}
