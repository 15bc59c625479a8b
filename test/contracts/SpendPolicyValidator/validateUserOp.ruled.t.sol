// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {
    Approval,
    CallProof,
    Condition,
    Comparison,
    Grant,
    ISpendPolicy,
    Rule
} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {Payees} from "../base/Payees.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

/// Kind 4 through the module: what any grant allows.
contract ValidateUserOpRuledTest is ValidatorTest {
    Approval private _none;
    uint256 private _value;

    /// Called by rule.
    function note(address who, uint256 value) external {
        require(who == msg.sender, "not for itself");
        _value = value;
    }

    function _payeeProof(uint256 index) private view returns (CallProof memory proof) {
        bytes memory packed = Payees.proofOf(payees, index);
        proof.path = new bytes32[](packed.length / 32);
        for (uint256 i = 0; i < proof.path.length; ++i) {
            bytes32 word;
            for (uint256 b = 0; b < 32; ++b) word |= bytes32(packed[32 * i + b]) >> (8 * b);
            proof.path[i] = word;
        }
    }

    function _one(CallProof memory proof) private pure returns (CallProof[] memory proofs) {
        proofs = new CallProof[](1);
        proofs[0] = proof;
    }

    /// A rule for `note`, alone in its tree.
    function _rule() private view returns (Rule memory rule) {
        rule.target = address(this);
        rule.selector = this.note.selector;
        rule.conditions = new Condition[](2);
        rule.conditions[0] = Condition(0, Comparison.Self, new uint256[](0));
        uint256[] memory most = new uint256[](1);
        most[0] = 7;
        rule.conditions[1] = Condition(1, Comparison.AtMost, most);
    }

    function _ruledGrant() private view returns (Grant memory terms) {
        terms = standardGrant();
        terms.extras.rules = keccak256(bytes.concat(keccak256(abi.encode(_rule()))));
    }

    function _noteProof() private view returns (CallProof memory proof) {
        proof.rule = abi.encode(_rule());
    }

    function _noteCall(uint256 value) private view returns (bytes memory) {
        return abi.encodeCall(this.note, (address(account), value));
    }

    function _payment(uint256 amount) private view returns (bytes memory) {
        return single(address(token), 0, abi.encodeCall(token.transfer, (payees[3], amount)));
    }

    function test_validateUserOp_paysUnderAnyGrant() public {
        for (uint256 i = 0; i < 2; ++i) {
            Grant memory terms = i == 0 ? standardGrant() : _ruledGrant();
            install(terms);
            Draft memory d = draft(terms);
            send(buildRuled(d, _one(_payeeProof(3)), _none, false));
            assertEq(token.balanceOf(payees[3]), (i + 1) * d.amount);
        }
    }

    function test_validateUserOp_callsByRule() public {
        install(_ruledGrant());
        Draft memory d = draft(_ruledGrant());
        d.callData = single(address(this), 0, _noteCall(7));
        send(buildRuled(d, _one(_noteProof()), _none, false));
        assertEq(_value, 7);
        d = draft(_ruledGrant());
        d.callData = single(address(this), 0, _noteCall(8));
        refused(
            buildRuled(d, _one(_noteProof()), _none, false),
            abi.encodeWithSelector(ISpendPolicy.ArgumentNotAllowed.selector, 1, 8)
        );
        d.callData = single(address(this), 0, abi.encodeCall(this.note, (address(bare), 1)));
        refused(
            buildRuled(d, _one(_noteProof()), _none, false),
            abi.encodeWithSelector(ISpendPolicy.ArgumentNotAllowed.selector, 0, address(bare))
        );
    }

    /// The account's own batch mode: ERC-7579 has one shape for all.
    function test_validateUserOp_batch() public {
        install(_ruledGrant());
        Execution[] memory calls = new Execution[](2);
        calls[0] = Execution(address(token), 0, abi.encodeCall(token.transfer, (payees[3], 1 ether)));
        calls[1] = Execution(address(this), 0, _noteCall(3));
        CallProof[] memory proofs = new CallProof[](2);
        (proofs[0], proofs[1]) = (_payeeProof(3), _noteProof());
        for (uint256 i = 0; i < 2; ++i) {
            Draft memory d = draft(_ruledGrant());
            d.callData = abi.encodeCall(account.execute, (BATCH, abi.encode(calls)));
            if (i == 1) {
                use(bare);
                install(_ruledGrant());
                calls[1].callData = _noteCall(3);
                d.callData = abi.encodeCall(account.execute, (BATCH, abi.encode(calls)));
            }
            send(buildRuled(d, proofs, _none, false));
            assertEq(token.balanceOf(payees[3]), (i + 1) * 1 ether);
            assertEq(_value, 3);
        }
    }

    function test_validateUserOp_grantInside() public {
        Draft memory d = draft(_ruledGrant());
        PackedUserOperation memory op = buildRuled(d, _one(_payeeProof(3)), _none, true);
        vm.expectEmit(address(module));
        emit ISpendPolicy.ExtrasGranted(address(account), policyIdOf(d.grant), d.grant.extras);
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
        d = draft(_ruledGrant());
        refused(
            buildRuled(d, _one(_payeeProof(3)), _none, true),
            abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, policyIdOf(d.grant))
        );
        d.ownerKey = OTHER_KEY;
        d.grant.salt = 2;
        d.terms = termsOf(d.grant);
        unsignedRefused(buildRuled(d, _one(_payeeProof(3)), _none, true));
    }

    function test_validateUserOp_reverts_ownPartsByRule() public {
        address[6] memory own = [
            address(account),
            address(module),
            address(log),
            address(0x70),
            address(entryPoint),
            address(0x90)
        ];
        for (uint256 i = 0; i < own.length; ++i) {
            Rule memory rule;
            (rule.target, rule.selector) = (own[i], this.note.selector);
            Grant memory terms = standardGrant();
            terms.extras.rules = keccak256(bytes.concat(keccak256(abi.encode(rule))));
            install(terms);
            Draft memory d = draft(terms);
            d.callData = single(own[i], 0, _noteCall(1));
            CallProof memory proof;
            proof.rule = abi.encode(rule);
            refused(
                buildRuled(d, _one(proof), _none, false),
                abi.encodeWithSelector(ISpendPolicy.PayeeNotAllowed.selector, own[i])
            );
        }
    }

    function test_validateUserOp_countsOperations() public {
        Grant memory terms = standardGrant();
        terms.extras.operations = 2;
        bytes32 policyId = install(terms);
        for (uint256 i = 0; i < 2; ++i) send(buildRuled(draft(terms), _one(_payeeProof(3)), _none, false));
        assertTrue(module.operationCounters(address(account), policyId) != 0, "not counted");
        refused(
            buildRuled(draft(terms), _one(_payeeProof(3)), _none, false),
            abi.encodeWithSelector(ISpendPolicy.TooManyOperations.selector, 3, 2)
        );
    }

    function test_validateUserOp_heartbeat() public {
        Grant memory terms = standardGrant();
        terms.extras.heartbeat = 1 days;
        install(terms);
        refused(
            buildRuled(draft(terms), _one(_payeeProof(3)), _none, false),
            abi.encodeWithSelector(ISpendPolicy.HeartbeatMissed.selector, START + 240, 0)
        );
        vm.prank(owner);
        module.heartbeat(address(account));
        send(buildRuled(draft(terms), _one(_payeeProof(3)), _none, false));
        // The heartbeat of one account is none of another.
        use(bare);
        install(terms);
        refused(
            buildRuled(draft(terms), _one(_payeeProof(3)), _none, false),
            abi.encodeWithSelector(ISpendPolicy.HeartbeatMissed.selector, START + 240, 0)
        );
    }

    // Approvals.

    function _approvable() private view returns (Grant memory terms) {
        terms = standardGrant();
        terms.extras.approvers = bytes32(uint256(uint160(other)));
        terms.extras.ceiling = 20 ether;
    }

    function test_validateUserOp_approval() public {
        Grant memory terms = _approvable();
        install(terms);
        Draft memory d = draft(terms);
        d.amount = 20 ether;
        Approval memory approval;
        (approval.approver, approval.nonce, approval.deadline) = (other, 1, START + 1 days);
        bytes32 hash = approvalHash(other, policyIdOf(terms), keccak256(callDataOf(d)), 1, START + 1 days);
        refused(
            buildRuled(d, _one(_payeeProof(3)), _none, false),
            abi.encodeWithSelector(ISpendPolicy.OverPerCall.selector, 20 ether, 5 ether)
        );
        // Signed for another account.
        approval.signature = compact(OTHER_KEY, digest(module, address(bare), hash));
        unsignedRefused(buildRuled(d, _one(_payeeProof(3)), approval, false));
        approval.signature = compact(OTHER_KEY, digest(hash));
        send(buildRuled(d, _one(_payeeProof(3)), approval, false));
        assertEq(module.approvalState(address(account), hash), 2);
        assertEq(module.approvalState(address(bare), hash), 0);
        ++d.size;
        refused(
            buildRuled(d, _one(_payeeProof(3)), approval, false),
            abi.encodeWithSelector(ISpendPolicy.ApprovalUsed.selector, hash)
        );
    }

    function test_validateUserOp_recordedApproval() public {
        Grant memory terms = _approvable();
        bytes32 policyId = install(terms);
        Draft memory d = draft(terms);
        d.amount = 20 ether;
        Approval memory approval;
        (approval.approver, approval.nonce, approval.deadline) = (other, 1, START + 1 days);
        bytes32 callHash = keccak256(callDataOf(d));
        bytes32 hash = approvalHash(other, policyId, callHash, 1, START + 1 days);
        // On record for another account.
        vm.prank(other);
        module.recordApproval(address(bare), other, policyId, callHash, 1, START + 1 days, "");
        refused(
            buildRuled(d, _one(_payeeProof(3)), approval, false),
            abi.encodeWithSelector(ISpendPolicy.ApprovalNotRecorded.selector, hash)
        );
        vm.prank(other);
        module.recordApproval(address(account), other, policyId, callHash, 1, START + 1 days, "");
        send(buildRuled(d, _one(_payeeProof(3)), approval, false));
        assertEq(module.approvalState(address(bare), hash), 1);
    }
}
