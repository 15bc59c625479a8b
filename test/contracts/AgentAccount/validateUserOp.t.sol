// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Grant, ISpendPolicy, Status, Usage} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

/// Limits of a steady operation, each at its edge.
contract ValidateUserOpTest is AccountTest {
    uint256 private constant UNIT = 1e15;
    /// Gas limits of `unsigned`, at its gas price.
    uint256 private constant FEE = 900_000 * GAS_PRICE;

    function _over(bytes4 selector, uint256 actual, uint256 allowed) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, actual, allowed);
    }

    function test_validateUserOp_pays(uint256 amount, uint256 payee) public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        Draft memory d = draft(terms);
        d.amount = bound(amount, 0, terms.perCall);
        d.payee = bound(payee, 0, payees.length - 1);
        send(d);
        assertEq(token.balanceOf(payees[d.payee]), d.amount);
        Usage memory used = account.usage(policyId);
        assertTrue(used.status == Status.Granted, "status");
        assertEq(used.size, d.size);
        assertEq(used.spent, (d.amount + UNIT - 1) / UNIT);
        assertEq(used.gasSpent, FEE / 1e12);
        assertEq(used.newestBucket, (d.validAfter + d.span) / BUCKET);
        assertEq(used.ring[0], used.spent);
    }

    function test_validateUserOp_paysNative(uint256 amount) public {
        Grant memory terms = standardGrant();
        terms.asset = address(0);
        install(terms);
        Draft memory d = draft(terms);
        d.amount = bound(amount, 0, terms.perCall);
        send(d);
        assertEq(payees[d.payee].balance, d.amount);
    }

    function test_validateUserOp_commitsDecision() public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = draft(terms);
        PackedUserOperation memory op = build(d);
        vm.expectEmit(address(log));
        emit IDecisionLog.Committed(address(account), address(account), agent, d.size, d.root);
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
    }

    function test_validateUserOp_commitsThoughExecutionReverts() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        vm.prank(owner);
        account.withdraw(address(token), payable(owner), 1_000_000 ether);
        Draft memory d = draft(terms);
        assertTrue(!send(bundle(build(d)))[0], "paid from nothing");
        assertEq(account.usage(policyId).size, d.size);
        assertTrue(account.usage(policyId).spent != 0, "a failed payment still counts");
    }

    function test_validateUserOp_reverts_notEntryPoint(address caller) public {
        vm.assume(caller != address(entryPoint) && caller != address(vm));
        PackedUserOperation memory op;
        vm.expectRevert(abi.encodeWithSelector(IAgentAccount.NotEntryPoint.selector, caller));
        vm.prank(caller);
        account.validateUserOp(op, 0, 0);
    }

    function test_validateUserOp_reverts_overPerCall(uint256 amount) public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = draft(terms);
        d.amount = bound(amount, terms.perCall + 1, type(uint256).max);
        refused(d, _over(ISpendPolicy.OverPerCall.selector, d.amount, terms.perCall));
        d.amount = terms.perCall;
        send(d);
    }

    function test_validateUserOp_reverts_overWindow() public {
        Grant memory terms = standardGrant();
        (terms.perCall, terms.perWindow) = (5 ether, 12 ether);
        install(terms);
        Draft memory d = draft(terms);
        for (uint256 i = 0; i < 2; ++i) {
            d = draft(terms);
            d.amount = 5 ether;
            send(d);
        }
        d = draft(terms);
        d.amount = 2 ether + 1;
        refused(d, _over(ISpendPolicy.OverWindow.selector, 12 ether + UNIT, 12 ether));
        d.amount = 2 ether;
        send(d);
    }

    function test_validateUserOp_reverts_overWindowInOneBundle() public {
        Grant memory terms = standardGrant();
        terms.perWindow = 5 ether;
        terms.perCall = 3 ether;
        install(terms);
        Draft memory first = draft(terms);
        first.amount = 3 ether;
        Draft memory second = draft(terms);
        second.amount = 2 ether + 1;
        second.nonceKey = laneOf(agent, 7);
        uint256 unit = 1e14;
        refused(
            bundle(build(first), build(second)),
            1,
            _over(ISpendPolicy.OverWindow.selector, 5 ether + unit, 5 ether)
        );
        second.amount = 2 ether;
        bool[] memory success = send(bundle(build(first), build(second)));
        assertTrue(success[0] && success[1], "within the window");
    }

    function test_validateUserOp_reverts_overLifetime() public {
        Grant memory terms = standardGrant();
        terms.lifetime = 7 ether;
        install(terms);
        Draft memory d = draft(terms);
        d.amount = 5 ether;
        send(d);
        warp(time + 8 * BUCKET);
        d = draft(terms);
        d.amount = 2 ether + 1;
        refused(d, _over(ISpendPolicy.OverLifetime.selector, 7 ether + UNIT, 7 ether));
        d.amount = 2 ether;
        send(d);
    }

    function test_validateUserOp_reverts_overGasBudget() public {
        Grant memory terms = standardGrant();
        terms.gasBudget = 2 * FEE + FEE / 2;
        install(terms);
        send(draft(terms));
        send(draft(terms));
        refused(draft(terms), _over(ISpendPolicy.OverGasBudget.selector, 3 * FEE, terms.gasBudget));
    }

    function test_validateUserOp_reverts_overFeeCap() public {
        Grant memory terms = standardGrant();
        terms.feeCap = FEE - 1e12;
        install(terms);
        refused(draft(terms), _over(ISpendPolicy.OverFeeCap.selector, FEE, terms.feeCap));
        terms.feeCap = FEE;
        install(terms);
        send(draft(terms));
    }

    function test_validateUserOp_countsPreVerificationGas() public {
        Grant memory terms = standardGrant();
        terms.feeCap = FEE;
        install(terms);
        Draft memory d = draft(terms);
        PackedUserOperation memory op = build(d);
        op.preVerificationGas = 1;
        sign(op, d);
        refused(op, _over(ISpendPolicy.OverFeeCap.selector, FEE + GAS_PRICE, FEE));
    }

    function test_validateUserOp_reverts_expired() public {
        Grant memory terms = standardGrant();
        terms.expiry = START + 240;
        install(terms);
        send(draft(terms));
        Draft memory d = draft(terms);
        d.validAfter += 1;
        refused(d, _over(ISpendPolicy.Expired.selector, START + 241, START + 240));
        warp(START + 240);
        d.validAfter = START - 60;
        send(d);
        warp(START + 241);
        entryPointRefused(build(draftAt(terms, START - 60)), "AA22 expired or not due");
    }

    function draftAt(Grant memory terms, uint256 validAfter) private returns (Draft memory d) {
        d = draft(terms);
        d.validAfter = validAfter;
    }

    function test_validateUserOp_reverts_claimTooLong() public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = draft(terms);
        d.span = 301;
        refused(d, _over(ISpendPolicy.ClaimTooLong.selector, 301, 300));
    }

    /// The EntryPoint reads validUntil 0 as "for ever".
    function test_validateUserOp_reverts_claimWithoutEnd() public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = draftAt(terms, 0);
        d.span = 0;
        refused(d, abi.encodeWithSelector(ISpendPolicy.ClaimWithoutEnd.selector));
    }

    function test_validateUserOp_refusesClaimsOfOtherTimes(uint256 ahead) public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        uint256 before = account.counters(policyId);
        entryPointRefused(build(draftAt(terms, time + bound(ahead, 0, 300 days))), "AA22 expired or not due");
        entryPointRefused(build(draftAt(terms, time - 301)), "AA22 expired or not due");
        assertEq(account.counters(policyId), before);
        send(draftAt(terms, time - 1));
    }

    function test_validateUserOp_reverts_staleSize(uint256 step) public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = draft(terms);
        send(d);
        Draft memory stale = draft(terms);
        stale.size = d.size - bound(step, 0, d.size);
        refused(stale, _over(ISpendPolicy.StaleSize.selector, stale.size, d.size));
        stale.size = type(uint32).max;
        send(stale);
    }

    function test_validateUserOp_reverts_paymaster() public {
        Grant memory terms = standardGrant();
        install(terms);
        entryPoint.depositTo{value: 1 ether}(address(this));
        Draft memory d = draft(terms);
        d.paymasterAndData = abi.encodePacked(address(this), uint128(100_000), uint128(0));
        refused(d, abi.encodeWithSelector(ISpendPolicy.PaymasterNotAllowed.selector, address(this)));
    }

    /// An agent that could use the nonces of others could undo their operations.
    function test_validateUserOp_reverts_lanesOfOthers(uint192 key) public {
        vm.assume(address(uint160(key)) != agent);
        Grant memory terms = standardGrant();
        install(terms);
        uint192[4] memory keys = [key, 0, laneOf(owner, 0), uint192(uint160(agent)) << 32];
        for (uint256 i = 0; i < keys.length; ++i) {
            Draft memory d = draft(terms);
            d.nonceKey = keys[i];
            address lane = address(uint160(d.nonceKey));
            refused(d, abi.encodeWithSelector(ISpendPolicy.LaneNotAllowed.selector, lane, agent));
            assertEq(entryPoint.getNonce(address(account), d.nonceKey), uint256(d.nonceKey) << 64);
        }
    }

    function test_validateUserOp_servesEveryLaneOfTheAgent(uint32 number, uint8 kind) public {
        Grant memory terms = standardGrant();
        Draft memory d = draft(terms);
        d.kind = uint8(bound(kind, 1, 3));
        if (d.kind != 2) install(terms);
        d.nonceKey = laneOf(agent, number);
        send(d);
        assertEq(uint64(entryPoint.getNonce(address(account), d.nonceKey)), 1);
    }

    function test_validateUserOp_reverts_frozen() public {
        Grant memory terms = standardGrant();
        install(terms);
        vm.prank(owner);
        account.freeze();
        refused(draft(terms), abi.encodeWithSelector(ISpendPolicy.Frozen.selector));
    }

    function test_validateUserOp_reverts_notGranted() public {
        Grant memory terms = standardGrant();
        refused(draft(terms), notGranted(terms));
        install(terms);
        send(draft(terms));
        vm.prank(owner);
        account.revokeAll();
        refused(draft(terms), notGranted(terms));
        install(terms);
        send(draft(terms));
        bytes32 policyId = account.policyIdOf(terms);
        vm.prank(owner);
        account.revoke(policyId);
        refused(draft(terms), notGranted(terms));
    }

    /// An agent that changes any term of its grant asks for a policy that nobody granted.
    function test_validateUserOp_reverts_otherTerms() public {
        Grant memory terms = standardGrant();
        install(terms);
        for (uint256 i = 0; i < 9; ++i) {
            Grant memory wider = standardGrant();
            if (i == 0) wider.perCall += 1 ether;
            if (i == 1) wider.perWindow += 1 ether;
            if (i == 2) wider.lifetime += 1 ether;
            if (i == 3) wider.bucket -= 1;
            if (i == 4) wider.gasBudget += 1 ether;
            if (i == 5) wider.feeCap += 1e12;
            if (i == 6) wider.expiry += 1;
            if (i == 7) wider.salt += 1;
            if (i == 8) wider.asset = address(0);
            refused(draft(wider), notGranted(wider));
        }
    }

    /// The same values under larger exponents would be the same policy, counted in coarser units.
    function test_validateUserOp_reverts_termsNotCanonical() public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = draft(terms);
        uint256 bits = uint192(d.terms);
        uint256 gasMask = (uint256(0x3f) << 124) | (uint256(0xffffffffffff) << 76);
        uint256 coarse =
            (bits & ((1 << 130) - 1)) |
                (uint256(16) << 186) |
                (uint256(500) << 170) |
                (uint256(5000) << 154) |
                (uint256(100_000) << 130);
        d.terms = bytes24(uint192(coarse));
        refused(d, abi.encodeWithSelector(ISpendPolicy.TermsNotCanonical.selector, d.terms));
        uint256 coarseGas =
            (bits & ~gasMask) | (uint256(13) << 124) | (uint256(1_000_000) << 100) | (uint256(200) << 76);
        d.terms = bytes24(uint192(coarseGas));
        refused(d, abi.encodeWithSelector(ISpendPolicy.TermsNotCanonical.selector, d.terms));
    }

    function test_validateUserOp_reverts_ambiguousCall() public {
        Grant memory terms = standardGrant();
        install(terms);
        Grant memory second = standardGrant();
        second.salt = 2;
        install(second);
        Draft memory d = draft(terms);
        Draft memory e = draft(second);
        e.nonceKey = laneOf(agent, 7);
        refused(
            bundle(build(d), build(e)),
            1,
            abi.encodeWithSelector(ISpendPolicy.AmbiguousCall.selector, keccak256(callDataOf(d)))
        );
        e.amount += 1;
        send(bundle(build(d), build(e)));
    }
}
