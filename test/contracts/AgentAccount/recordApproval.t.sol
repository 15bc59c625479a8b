// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Extras, Grant, ISpendPolicy, Tail} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {RuledTest} from "../base/RuledTest.sol";
import {ContractOwner} from "./grantBySignature.t.sol";

contract RecordApprovalTest is RuledTest {
    Grant private _terms;

    function _setApprover(address by) private returns (Draft memory d, Tail memory tail) {
        Extras memory extras;
        extras.approvers = bytes32(uint256(uint160(by)));
        extras.ceiling = 20 ether;
        Grant memory terms = grantWith(extras);
        install(terms);
        d = ruledDraft(terms, single(payment(3, 6 ether)));
        tail = tailOf(terms, list(payeePath(3)));
        tail.approval.approver = by;
        tail.approval.nonce = 1;
        tail.approval.deadline = d.validAfter + d.span;
    }

    function _record(Draft memory d, Tail memory tail, bytes memory signature) private {
        bytes32 policyId = account.policyIdOf(d.grant);
        account.recordApproval(
            tail.approval.approver,
            policyId,
            keccak256(d.callData),
            tail.approval.nonce,
            tail.approval.deadline,
            signature
        );
    }

    function _hash(Draft memory d, Tail memory tail) private view returns (bytes32) {
        return
            approvalHash(
                tail.approval.approver,
                account.policyIdOf(d.grant),
                d.callData,
                tail.approval.nonce,
                tail.approval.deadline
            );
    }

    function test_recordApproval_byTheApprover() public {
        (Draft memory d, Tail memory tail) = _setApprover(approver);
        bytes32 hash = _hash(d, tail);
        bytes32 policyId = account.policyIdOf(d.grant);
        vm.expectEmit(address(account));
        emit ISpendPolicy.ApprovalRecorded(address(account), approver, hash);
        vm.prank(approver);
        account.recordApproval(approver, policyId, keccak256(d.callData), 1, tail.approval.deadline, "");
        assertEq(account.approvalState(hash), 1);
        send(build(d, tail));
        assertEq(account.approvalState(hash), 2);
        d.size = ++size;
        refused(build(d, tail), abi.encodeWithSelector(ISpendPolicy.ApprovalUsed.selector, hash));
    }

    function test_recordApproval_ofAContract() public {
        (Draft memory d, Tail memory tail) = _setApprover(address(new ContractOwner(other)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OTHER_KEY, digest(_hash(d, tail)));
        _record(d, tail, abi.encode(r, s, v));
        send(build(d, tail));
    }

    function test_recordApproval_ofAKeyByAnybody() public {
        (Draft memory d, Tail memory tail) = _setApprover(approver);
        _record(d, tail, compact(APPROVER_KEY, digest(_hash(d, tail))));
        send(build(d, tail));
    }

    function test_recordApproval_reverts_wrongSigner(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        (Draft memory d, Tail memory tail) = _setApprover(approver);
        bytes memory signature = compact(key, digest(_hash(d, tail)));
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.WrongSigner.selector, approver));
        account.recordApproval(
            approver,
            bytes32(0),
            keccak256(d.callData),
            1,
            tail.approval.deadline,
            signature
        );
    }

    /// Anybody may put his own approval on record: it is worth nothing unless he is an approver.
    function test_recordApproval_byAnybodyIsWorthNothing(address anybody) public {
        vm.assume(anybody != approver && anybody != address(0) && anybody != address(vm));
        (Draft memory d, Tail memory tail) = _setApprover(approver);
        tail.approval.approver = anybody;
        bytes32 policyId = account.policyIdOf(d.grant);
        vm.prank(anybody);
        account.recordApproval(anybody, policyId, keccak256(d.callData), 1, tail.approval.deadline, "");
        refused(build(d, tail), abi.encodeWithSelector(ISpendPolicy.ApproverNotAllowed.selector, anybody));
    }
}
