// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {
    Approval,
    CallProof,
    Comparison,
    Condition,
    Extras,
    Grant,
    Rule,
    Tail
} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft, IEntryPointExtra} from "../base/AccountTest.sol";
import {HostileRuledRecord} from "./HostileRuledRecord.sol";
import {OddToken} from "./OddToken.sol";
import {Payees} from "../base/Payees.sol";

/// What hostile agents sign under kind 4: two operations in five hide something.
abstract contract HostileRuledTricks is HostileRuledRecord {
    /// Which trick an operation plays, if any.
    uint256 private constant CALL = 0;
    uint256 private constant ENCODING = 1;
    uint256 private constant WORDS = 2;
    uint256 private constant PROOF = 3;
    uint256 private constant TAIL = 4;
    uint256 private constant TAIL_WORDS = 5;
    uint256 private constant CLAIM = 6;
    uint256 private constant UNSIGNED = 7;
    uint256 private constant APPROVAL = 8;
    uint256 private constant REPLAY = 9;
    uint256 private constant FORM = 10;
    uint256 private constant COSTS = 11;
    uint256 private constant LANE = 12;
    uint256 private constant TRICKS = 13;

    /// An operation while it is made.
    struct Plan {
        uint256 line;
        uint256 trick;
        Execution[] calls;
        CallProof[] proofs;
        Approval approval;
        bytes32 approvalHash;
        Draft d;
        bytes end;
    }

    bytes private _oldCalls;
    Approval private _oldApproval;
    bytes32 private _oldApprovalHash;

    function operation(uint32 lane) internal returns (PackedUserOperation memory op) {
        Plan memory plan;
        plan.line = pick(LINES);
        plan.trick = pick((TRICKS * 5) / 2);
        Line storage line = lines[plan.line];
        payees = line.payees;
        bool cosigned = line.grant.extras.approvers != 0 && pick(2) == 0;
        _makeCalls(plan, line, cosigned);
        plan.d = draft(line.grant);
        plan.d.kind = 4;
        plan.d.agentKey = line.key;
        plan.d.nonceKey = laneOf(line.grant.agent, lane);
        (plan.d.validAfter, plan.d.span) = _claim(plan.trick);
        plan.d.callData = _callData(plan);
        if (plan.trick == ENCODING) plan.d.callData = _hidden(plan);
        if (plan.trick == WORDS) plan.d.callData = _withOtherWords(plan.d.callData, 4);
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
        if (plan.calls.length != 0 && pick(4) == 0) _oldCalls = plan.d.callData;
    }

    // Calls that may be made.

    function _makeCalls(Plan memory plan, Line storage line, bool cosigned) private {
        uint256 calls = [uint256(1), 1, 1, 1, 1, 2, 2, 3, 3, [uint256(0), 16, 17, 5][pick(4)]][pick(10)];
        plan.calls = new Execution[](calls);
        plan.proofs = new CallProof[](calls);
        uint256 left = _amount(line, cosigned);
        for (uint256 i = 0; i < calls; ++i) {
            uint256 amount = i + 1 == calls ? left : left / (calls - i);
            left -= amount;
            (plan.calls[i], plan.proofs[i]) = _honest(line, amount);
        }
        if (calls == 0) return;
        uint256 place = pick(calls);
        if (plan.trick == CALL) plan.calls[place] = _forbidden(line, plan.calls[place]);
        if (plan.trick == PROOF) _otherProof(line, plan.calls[place], plan.proofs[place]);
    }

    function _amount(Line storage line, bool cosigned) private returns (uint256) {
        Grant storage terms = line.grant;
        uint256 most = cosigned ? terms.extras.ceiling : terms.perCall;
        uint256 used = spentInWindow(line);
        uint256 left = terms.perWindow > used ? terms.perWindow - used : 1;
        uint256[10] memory amounts = [
            most,
            most,
            most / 2,
            most / 3 + 1,
            most + 1,
            left > most ? most : left,
            left + 1 > most ? most : left + 1,
            terms.lifetime > line.spent ? terms.lifetime - line.spent : 1,
            pick(most),
            [uint256(0), 1, type(uint256).max, 1 << 255][pick(4)]
        ];
        uint256 amount = amounts[pick(10)];
        return amount > most && pick(5) != 0 ? most : amount;
    }

    function _honest(
        Line storage line,
        uint256 amount
    ) private returns (Execution memory call, CallProof memory proof) {
        uint256 payee = pick(3);
        address to = line.payees[payee];
        address asset = line.grant.asset;
        if (line.rules.length != 0 && pick(2) == 0) {
            uint256 which = pick(2);
            proof.rule = line.rules[which];
            proof.path = new bytes32[](1);
            proof.path[0] = leafOf(line.rules[1 - which]);
            call.target = which == 0 ? address(plainRouter) : address(greedy);
            call.value = asset == address(0) ? amount : 0;
            uint256 argument = amount > 2 ether && pick(4) != 0 ? 2 ether : amount;
            call.callData = abi.encodeCall(plainRouter.swap, (asset, argument, address(account)));
            return (call, proof);
        }
        proof = payeePath(payee);
        if (asset == address(0)) return (Execution(to, amount, ""), proof);
        uint256 functions = line.grant.extras.functions;
        bytes[5] memory data = [
            abi.encodeCall(token.transfer, (to, amount)),
            abi.encodeCall(token.approve, (to, amount)),
            abi.encodeCall(token.transferFrom, (address(account), to, amount)),
            abi.encodeCall(OddToken.increaseAllowance, (to, amount)),
            abi.encodeCall(OddToken.permit, (address(account), to, amount, 0, 27, 0, 0))
        ];
        return
            (
                Execution(asset, 0, data[functions == 15 ? pick(5) : functions == 2 ? pick(2) : 0]),
                proof
            );
    }

    // Calls that may not.

    function _forbidden(Line storage line, Execution memory call) private returns (Execution memory) {
        address asset = line.grant.asset == address(0) ? address(tokens[1]) : line.grant.asset;
        address nobody = [line.grant.agent, address(account), address(entryPoint), address(0), bundler][
            pick(5)
        ];
        uint256 choice = pick(12);
        if (choice == 0) return _tokenTo(asset, nobody);
        if (choice == 1) return _tokenTo(address(OddToken(asset).TWIN()), pick(2) == 0 ? nobody : payees[0]);
        if (choice == 2) return _tokenTo(address(tokens[pick(TOKENS)]), pick(2) == 0 ? nobody : payees[0]);
        if (choice == 3) return Execution(address(account), 0, _ownersCall());
        if (choice == 4)
            return
                Execution(
                    address(entryPoint),
                    pick(2),
                    abi.encodeCall(entryPoint.withdrawTo, (payable(nobody), 1 ether))
                );
        if (choice == 5)
            return Execution(address(log), 0, abi.encodeCall(log.anchor, (address(account), agent, 1, 0)));
        if (choice == 6) return Execution(nobody, 1 ether, "");
        if (choice == 7) call.value += 1 ether;
        if (choice == 8) call.target = [address(plainRouter), address(greedy), asset, nobody][pick(4)];
        if (choice == 9) call.callData = bytes.concat(call.callData, new bytes(1 + pick(64)));
        if (choice == 10) call.callData = _cut(call.callData, pick(call.callData.length + 1));
        if (choice == 11) call.callData = _withOtherWords(call.callData, 4);
        return call;
    }

    function _tokenTo(address asset, address to) private returns (Execution memory) {
        bytes[8] memory data = [
            abi.encodeCall(token.transfer, (to, 1 ether)),
            abi.encodeCall(token.approve, (to, type(uint256).max)),
            abi.encodeCall(token.transferFrom, (address(account), to, 1 ether)),
            abi.encodeCall(OddToken.increaseAllowance, (to, 1 ether)),
            abi.encodeCall(OddToken.permit, (address(account), to, 1 ether, 0, 27, 0, 0)),
            abi.encodeCall(OddToken.push, (to, 1 ether)),
            abi.encodeCall(OddToken.transferAndCall, (to, 1 ether)),
            abi.encodeCall(OddToken.rebase, (agent, 1 ether))
        ];
        return Execution(asset, 0, data[pick(8)]);
    }

    function _ownersCall() private returns (bytes memory) {
        bytes[6] memory data = [
            abi.encodeCall(account.unfreeze, ()),
            abi.encodeCall(account.withdraw, (address(0), payable(agent), 1 ether)),
            abi.encodeCall(account.setCap, (cappedAsset(), 0, 0)),
            abi.encodeCall(account.setGuardian, (agent, true)),
            abi.encodeCall(account.heartbeat, ()),
            single(address(tokens[0]), 0, abi.encodeCall(token.transfer, (agent, 1 ether)))
        ];
        return data[pick(6)];
    }

    // Encodings.

    function _callData(Plan memory plan) private returns (bytes memory) {
        if (plan.calls.length == 0 && plan.trick != ENCODING) return "";
        if (plan.calls.length == 1 && pick(3) != 0) return single(plan.calls[0]);
        return batch(plan.calls);
    }

    /// The same calls, and evil ones where only execution, or only validation, might look.
    function _hidden(Plan memory plan) private returns (bytes memory) {
        Execution[] memory evil = new Execution[](1);
        evil[0] = _tokenTo(address(tokens[pick(TOKENS)]), agent);
        bytes memory good = abi.encode(plan.calls);
        bytes memory bad = abi.encode(evil);
        bytes32 mode = BATCH;
        uint256 choice = pick(8);
        if (choice == 0) return bytes.concat(batch(plan.calls), bad);
        if (choice == 1) return abi.encodeCall(account.execute, (mode, bytes.concat(good, bad)));
        if (choice == 2) return abi.encodeCall(account.execute, (mode | bytes32(1 << pick(256)), good));
        if (choice == 3) return abi.encodeCall(account.execute, (bytes32(0), good));
        if (choice == 4) return bytes.concat(hex"8dd7712f", batch(plan.calls));
        if (choice == 5)
            // The outer offset points to other bytes.
            return
                bytes.concat(
                    account.execute.selector,
                    abi.encode(mode, 96 + good.length, good.length),
                    good,
                    abi.encode(bad.length),
                    bad
                );
        if (choice == 6)
            // The array's offset points behind the good array.
            return
                abi.encodeCall(
                    account.execute,
                    (mode, bytes.concat(abi.encode(good.length + 32), _cut(good, 32, good.length), bad))
                );
        return single(address(account), 0, batch(evil));
    }

    /// Some words replaced by such as offsets, lengths and addresses may be: also negative ones, and beyond the end.
    function _withOtherWords(bytes memory data, uint256 from) private returns (bytes memory) {
        if (data.length < from + 32) return data;
        for (uint256 i = 1 + pick(2); i > 0; --i) {
            uint256 place = from + 32 * pick((data.length - from) / 32);
            uint256 old;
            assembly ("memory-safe") {
                old := mload(add(add(data, 32), place))
            }
            uint256 word = _word(old, data.length);
            assembly ("memory-safe") {
                mstore(add(add(data, 32), place), word)
            }
        }
        return data;
    }

    function _word(uint256 old, uint256 length) private returns (uint256) {
        unchecked {
            uint256[12] memory words = [
                old + 32,
                old - 32,
                old + 1,
                0,
                32,
                0 - 32 * pick(24),
                32 * pick(24),
                length + 32 * pick(24),
                uint256(uint160(agent)),
                type(uint256).max,
                1 << pick(256),
                old ^ (1 << pick(256))
            ];
            return words[pick(12)];
        }
    }

    // Proofs and tails.

    function _otherProof(Line storage line, Execution memory call, CallProof memory proof) private {
        uint256 choice = pick(8);
        if (choice == 0) proof.path = new bytes32[](pick(4));
        if (choice == 1) proof.path[pick(proof.path.length)] = bytes32(next());
        if (choice == 2) proof.path = payeePath(pick(3)).path;
        if (choice == 3 && line.rules.length != 0) proof.rule = line.rules[pick(2)];
        if (choice == 4) proof.rule = bytes.concat(proof.rule, new bytes(32 * pick(3)));
        if (choice == 5) proof.rule = _withOtherWords(proof.rule, 0);
        if (choice == 6) {
            // An inner node as if it were a payee.
            bytes32 node = keccak256(abi.encode(payees[0], payees[1]));
            call.callData = abi.encodeCall(token.transfer, (address(uint160(uint256(node))), 1 ether));
            proof.path = new bytes32[](1);
            proof.path[0] = bytes32(uint256(uint160(payees[2])));
        }
        if (choice == 7) {
            // A rule of its own.
            Rule memory rule;
            rule.target = call.target;
            rule.selector = bytes4(call.callData);
            rule.conditions = new Condition[](pick(2));
            if (rule.conditions.length == 1) rule.conditions[0] = Condition(0, Comparison.AtLeast, one(0));
            proof.rule = abi.encode(rule);
        }
    }

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
        approval.deadline = plan.d.validAfter + plan.d.span + pick(3) * 1 hours;
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
        uint256 choice = pick(7);
        Approval memory approval = plan.approval;
        if (choice == 0 || approval.approver == address(0)) {
            plan.approval = _oldApproval;
            plan.approvalHash = _oldApprovalHash;
            if (pick(2) == 0 && _oldCalls.length != 0) plan.d.callData = _oldCalls;
            return;
        }
        if (choice == 1) approval.nonce += 1;
        if (choice == 2) approval.deadline += 1;
        if (choice == 3) approval.approver = agent;
        if (choice == 4) approval.path = new bytes32[](0);
        if (choice == 5) approval.signature = compact(plan.d.agentKey, bytes32(next()));
        if (choice == 6) plan.approval.approver = address(0);
        plan.approvalHash = approval.approver == address(0) ? bytes32(0) : bytes32(uint256(1));
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
        if (plan.trick == COSTS) _costs(op);
        Tail memory tail = tailOf(line.grant, plan.proofs);
        tail.approval = plan.approval;
        if (plan.line == INSIDE && pick(3) == 0) tail.ownerSignature = line.ownerSignature;
        Grant memory terms = line.grant;
        if (plan.trick == TAIL) _otherTail(tail, terms);
        plan.end = abi.encode(tail);
        if (plan.trick == TAIL_WORDS) plan.end = _withOtherWords(plan.end, 0);
        if (plan.trick == FORM && pick(3) == 0) plan.end = _cut(plan.end, pick(plan.end.length));
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
        if (choice == 7) d.callData = _cut(d.callData, pick(d.callData.length + 1));
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
        }
    }

    function _endsWith(bytes memory data, bytes memory end) private pure returns (bool) {
        return keccak256(_cut(data, data.length - end.length, data.length)) == keccak256(end);
    }

    /// What a bundler may do to an operation on its way: nothing that matters.
    function _alter(PackedUserOperation memory op) private {
        uint256 choice = pick(5);
        if (choice == 0) op.signature[pick(op.signature.length)] ^= bytes1(uint8(1 << pick(8)));
        if (choice == 1) op.signature = bytes.concat(op.signature, new bytes(32 * pick(3)));
        if (choice == 2) op.signature = _cut(op.signature, pick(op.signature.length));
        if (choice == 3) op.signature = _withOtherWords(op.signature, 151);
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

    function _cut(bytes memory data, uint256 to) private pure returns (bytes memory) {
        return _cut(data, 0, to);
    }

    function _cut(bytes memory data, uint256 from, uint256 to) private pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i = from; i < to; ++i) part[i - from] = data[i];
    }
}
