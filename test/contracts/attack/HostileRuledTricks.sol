// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Approval, CallProof, Extras, Grant, Tail} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft, IEntryPointExtra} from "../base/AccountTest.sol";
import {HostileRuledCalls} from "./HostileRuledCalls.sol";

/// What hostile agents sign under kind 4: two operations in five hide something.
abstract contract HostileRuledTricks is HostileRuledCalls {
    bytes private _oldCalls;
    bytes private _oldProofs;
    Approval private _oldApproval;
    bytes32 private _oldApprovalHash;

    function operation(uint32 lane) internal returns (PackedUserOperation memory op) {
        Plan memory plan;
        plan.line = pick(LINES);
        plan.trick = pick((TRICKS * 5) / 2);
        Line storage line = lines[plan.line];
        payees = line.payees;
        bool cosigned = line.grant.extras.approvers != 0 && pick(2) == 0;
        if (line.grant.extras.approvers != 0 && pick(4) == 0) plan.trick = APPROVAL;
        makeCalls(plan, line, cosigned);
        plan.d = draft(line.grant);
        plan.d.kind = 4;
        plan.d.agentKey = line.key;
        plan.d.nonceKey = laneOf(line.grant.agent, lane);
        (plan.d.validAfter, plan.d.span) = _claim(plan.trick);
        plan.d.callData = callDataFor(plan);
        if (plan.trick == ENCODING) plan.d.callData = hidden(plan);
        if (plan.trick == WORDS) plan.d.callData = withOtherWords(plan.d.callData, 4);
        if (plan.d.callData.length == 0) plan.proofs = new CallProof[](0);
        if (line.grant.extras.paymaster != address(0) && pick(2) == 0)
            plan.d.paymasterAndData = abi.encodePacked(
                line.grant.extras.paymaster,
                uint128(100_000),
                uint128(0)
            );
        if (cosigned) _cosign(plan, line);
        if (plan.trick == APPROVAL) _otherApproval(plan);
        op = _signed(plan, line);
        _remember(plan, line, op);
        if (plan.trick == UNSIGNED) _alter(op);
        if (plan.trick == REPLAY && seen.length != 0) op = _replayed(op);
    }

    // Tails.

    function _otherTail(Tail memory tail, Grant memory terms) private {
        Extras memory extras = tail.extras;
        uint256 choice = pick(9);
        if (choice == 0) extras.functions = 15;
        if (choice == 1) extras.ceiling = type(uint256).max;
        if (choice == 2) extras.operations = 0;
        if (choice == 3) extras.approvers = bytes32(uint256(uint160(agent)));
        if (choice == 4) extras.heartbeat = 0;
        if (choice == 5) tail.payees = bytes32(uint256(uint160(agent)));
        if (choice == 6) tail.asset = pick(2) == 0 ? address(tokens[pick(TOKENS)]) : address(0);
        if (choice == 7) extras.rules = bytes32(next());
        if (choice == 8) extras.paymaster = address(thief);
        // Half of them signed for what they say.
        if (pick(2) == 0) (terms.asset, terms.payees, terms.extras) = (tail.asset, tail.payees, extras);
    }

    // Approvals.

    /// An approver who looks at nothing; every second time it is a contract.
    function _cosign(Plan memory plan, Line storage line) private {
        bool byContract = pick(3) == 0;
        Approval memory approval = plan.approval;
        approval.approver = byContract ? address(contractApprover) : approver;
        approval.path = new bytes32[](1);
        approval.path[0] = bytes32(uint256(uint160(byContract ? approver : address(contractApprover))));
        approval.nonce = pick(1000);
        approval.deadline = plan.d.validAfter + plan.d.span + pick(3) * 1 days;
        bytes32 hash = approvalHash(
            approval.approver,
            line.policyId,
            plan.d.callData,
            approval.nonce,
            approval.deadline
        );
        plan.approvalHash = hash;
        isApproved[hash] = true;
        if (!byContract) {
            approval.signature = compact(APPROVER_KEY, digest(hash));
            return;
        }
        contractApprover.approve(digest(hash));
        if (account.approvalState(hash) != 0) return;
        account.recordApproval(
            approval.approver,
            line.policyId,
            keccak256(plan.d.callData),
            approval.nonce,
            approval.deadline,
            ""
        );
    }

    /// Approvals of other calls, used ones, such as nobody gave, and none.
    function _otherApproval(Plan memory plan) private {
        uint256 choice = pick(12);
        Approval memory approval = plan.approval;
        if (choice > 6 || approval.approver == address(0)) {
            (plan.approval, plan.approvalHash) = (_oldApproval, _oldApprovalHash);
            if (_oldCalls.length == 0 || pick(4) == 0) return;
            // A second time for the same calls.
            plan.d.callData = _oldCalls;
            plan.proofs = abi.decode(_oldProofs, (CallProof[]));
            return;
        }
        if (choice == 0) approval.signature = ""; // as if it were recorded
        if (choice == 1) approval.nonce += 1;
        if (choice == 2) approval.deadline += 1;
        if (choice == 3) approval.approver = agent;
        if (choice == 4) approval.path = new bytes32[](0);
        if (choice == 5) approval.signature = compact(plan.d.agentKey, bytes32(next()));
        if (choice == 6) plan.approval.approver = address(0);
        if (choice != 0 && choice != 4 && choice != 5) plan.approvalHash = bytes32(uint256(1));
    }

    // The signature.

    function _signed(Plan memory plan, Line storage line) private returns (PackedUserOperation memory op) {
        Draft memory d = plan.d;
        if (plan.trick == LANE)
            d.nonceKey = [uint192(0), 98, laneOf(owner, 0), laneOf(address(account), 1), laneOf(other, 7)][
                pick(5)
            ];
        if (plan.trick == FORM) _otherForm(d);
        op = unsigned(d.callData, d.nonceKey);
        op.paymasterAndData = d.paymasterAndData;
        if (plan.trick == COSTS)
            _costs(op);
            // What an agent whose bundler is its own can make of its gas budget.
        else if (pick(6) == 0) op.preVerificationGas = 2_900_000;
        Tail memory tail = tailOf(line.grant, plan.proofs);
        tail.approval = plan.approval;
        if (plan.line == INSIDE && pick(3) == 0) tail.ownerSignature = line.ownerSignature;
        Grant memory terms = line.grant;
        if (plan.trick == TAIL) _otherTail(tail, terms);
        plan.end = abi.encode(tail);
        if (plan.trick == TAIL_WORDS) plan.end = withOtherWords(plan.end, 0);
        if (plan.trick == FORM && pick(3) == 0) plan.end = cut(plan.end, pick(plan.end.length));
        op.signature = _signature(d, plan.end, account.policyIdOf(terms), hashOf(op));
    }

    function _otherForm(Draft memory d) private {
        uint256 choice = pick(8);
        if (choice == 0) d.kind = uint8(pick(6));
        if (choice == 1) d.terms = bytes24(uint192(d.terms) ^ uint192(1 << pick(192)));
        if (choice == 2) d.agentKey = d.agentKey == AGENT_KEY ? OTHER_KEY : AGENT_KEY;
        if (choice == 3) d.size = [uint256(0), 1, size - 1, type(uint32).max][pick(3)];
        if (choice == 4) d.callData = abi.encodePacked(next(), next(), next(), next());
        if (choice == 5) d.paymasterAndData = abi.encodePacked(address(thief), new bytes(32));
        if (choice == 6) d.paymasterAndData = abi.encodePacked(sponsor, uint128(100_000), uint128(pick(2)));
        if (choice == 7) d.callData = cut(d.callData, pick(d.callData.length + 1));
    }

    function _signature(
        Draft memory d,
        bytes memory end,
        bytes32 policyId,
        bytes32 opHash
    ) private view returns (bytes memory) {
        bytes memory claim = abi.encode(policyId, d.validAfter, d.validAfter + d.span, d.size, d.root);
        bytes32 structHash = keccak256(
            bytes.concat(
                keccak256(
                    "RuledOperation(bytes32 userOpHash,bytes32 policyId,uint256 validAfter,uint256 validUntil,uint256 size,bytes32 root,bytes32 tail)"
                ),
                opHash,
                claim,
                keccak256(end)
            )
        );
        return
            bytes.concat(
                abi.encodePacked(d.kind, d.grant.agent),
                compact(d.agentKey, digest(structHash)),
                abi.encodePacked(uint32(d.validAfter), uint16(d.span), uint32(d.size), d.root, d.terms),
                end
            );
    }

    function _remember(Plan memory plan, Line storage line, PackedUserOperation memory op) private {
        bytes32 hash = hashOf(op);
        bool grants =
            plan.line == INSIDE &&
                line.ownerSignature.length != 0 &&
                plan.end.length >= 64 &&
                _endsWith(plan.end, line.ownerSignature);
        signedOps[hash] = Signed(
            true,
            plan.line,
            line.policyId,
            plan.d.callData.length != 0,
            grants,
            plan.approval.approver == address(0) ? bytes32(0) : plan.approvalHash
        );
        if (plan.approvalHash != 0 && plan.approval.approver != address(0)) {
            _oldApproval = plan.approval;
            _oldApprovalHash = plan.approvalHash;
            (_oldCalls, _oldProofs) = (plan.d.callData, abi.encode(plan.proofs));
        }
    }

    function _endsWith(bytes memory data, bytes memory end) private pure returns (bool) {
        return keccak256(cut(data, data.length - end.length, data.length)) == keccak256(end);
    }

    /// What a bundler may do to an operation on its way: nothing that matters.
    function _alter(PackedUserOperation memory op) private {
        uint256 choice = pick(5);
        if (choice == 0) op.signature[pick(op.signature.length)] ^= bytes1(uint8(1 << pick(8)));
        if (choice == 1) op.signature = bytes.concat(op.signature, new bytes(32 * pick(3)));
        if (choice == 2) op.signature = cut(op.signature, pick(op.signature.length));
        if (choice == 3) op.signature = withOtherWords(op.signature, 151);
        if (choice == 4) op.signature = compact(AGENT_KEY, hashOf(op)); // as the owner signs
    }

    /// An operation seen before, as it was, with a new nonce, or with another's signature.
    function _replayed(PackedUserOperation memory op) private returns (PackedUserOperation memory old) {
        old = seen[pick(seen.length)];
        uint256 choice = pick(3);
        if (choice == 0) old.nonce = op.nonce;
        if (choice == 1) old.signature = op.signature;
    }

    function _claim(uint256 trick) private returns (uint256 validAfter, uint256 span) {
        if (trick == CLAIM) {
            uint256 choice = pick(5);
            if (choice == 0) return (time + pick(400), pick(301));
            if (choice == 1) return (time - 1 - pick(1000), [uint256(301), 1000, 65_535][pick(3)]);
            if (choice == 2) return (0, pick(301));
            if (choice == 3) return (type(uint32).max, pick(301));
            return (time - 1, 65_535);
        }
        uint256 ago = 1 + pick(300);
        return (time - ago, ago + pick(301 - ago));
    }

    function _costs(PackedUserOperation memory op) private {
        uint256[6] memory gas = [uint256(0), 1, 2_500_000, 300_000, 3_000_000, type(uint120).max];
        uint256[5] memory price = [uint256(0), 1, GAS_PRICE, 3 * GAS_PRICE, 1 ether];
        op.preVerificationGas = pick(9) == 0 ? type(uint256).max - pick(1_000_000) : gas[pick(6)];
        if (pick(2) == 0) op.gasFees = bytes32((price[pick(5)] << 128) | price[pick(4)]);
        if (pick(3) == 0) op.accountGasLimits = bytes32((uint256(2_000_000) << 128) | gas[pick(6)]);
    }

    function hashOf(PackedUserOperation memory op) internal view returns (bytes32) {
        try IEntryPointExtra(address(entryPoint)).getUserOpHash(op) returns (bytes32 hash) {
            return hash;
        } catch {
            return 0;
        }
    }
}
