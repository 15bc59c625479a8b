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
import {AccountTest, Draft} from "./AccountTest.sol";
import {Payees} from "./Payees.sol";
import {Log} from "./Vm.sol";

/// What an agent may call beside tokens, in tests: says what it was called with.
contract Router {
    event Swapped(address caller, address tokenIn, uint256 amount, address recipient, uint256 value);

    function swap(address tokenIn, uint256 amount, address recipient) external payable {
        emit Swapped(msg.sender, tokenIn, amount, recipient, msg.value);
    }
}

/// Operations of kind 4.
abstract contract RuledTest is AccountTest {
    uint256 internal constant APPROVER_KEY = uint256(keccak256("approver"));
    address internal immutable approver = vm.addr(APPROVER_KEY);
    Router internal router;

    function setUp() public virtual override {
        super.setUp();
        router = new Router();
    }

    /// The standard grant with extras.
    function grantWith(Extras memory extras) internal view returns (Grant memory terms) {
        terms = standardGrant();
        terms.extras = extras;
    }

    // Calls and their proofs.

    function payment(uint256 payee, uint256 amount) internal view returns (Execution memory) {
        return tokenCall(abi.encodeCall(token.transfer, (payees[payee], amount)));
    }

    function tokenCall(bytes memory data) internal view returns (Execution memory) {
        return Execution(address(token), 0, data);
    }

    function swapCall(uint256 amount, address recipient) internal view returns (Execution memory) {
        return
            Execution(address(router), 0, abi.encodeCall(router.swap, (address(token), amount, recipient)));
    }

    function payeePath(uint256 payee) internal view returns (CallProof memory proof) {
        bytes memory packed = Payees.proofOf(payees, payee);
        proof.path = new bytes32[](packed.length / 32);
        for (uint256 i = 0; i < proof.path.length; ++i) {
            bytes32 node;
            assembly ("memory-safe") {
                node := mload(add(packed, add(32, mul(i, 32))))
            }
            proof.path[i] = node;
        }
    }

    /// swap(token, at most `amount`, to the account), counting `spends`.
    function swapRule(uint256 amount, uint256 spends) internal view returns (Rule memory rule) {
        rule.target = address(router);
        rule.selector = router.swap.selector;
        rule.spends = spends;
        rule.conditions = new Condition[](3);
        rule.conditions[0] = Condition(0, Comparison.In, one(uint160(address(token))));
        rule.conditions[1] = Condition(1, Comparison.AtMost, one(amount));
        rule.conditions[2] = Condition(2, Comparison.Self, new uint256[](0));
    }

    function one(uint256 operand) internal pure returns (uint256[] memory operands) {
        operands = new uint256[](1);
        operands[0] = operand;
    }

    /// The root of a tree of this rule alone.
    function rootOf(Rule memory rule) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(rule))));
    }

    function byRule(Rule memory rule) internal pure returns (CallProof memory proof) {
        proof.rule = abi.encode(rule);
    }

    function list(CallProof memory proof) internal pure returns (CallProof[] memory proofs) {
        proofs = new CallProof[](1);
        proofs[0] = proof;
    }

    function list(
        CallProof memory first,
        CallProof memory second
    ) internal pure returns (CallProof[] memory proofs) {
        proofs = new CallProof[](2);
        (proofs[0], proofs[1]) = (first, second);
    }

    function batch(Execution memory first, Execution memory second) internal view returns (bytes memory) {
        Execution[] memory calls = new Execution[](2);
        (calls[0], calls[1]) = (first, second);
        return batch(calls);
    }

    function batch(Execution[] memory calls) internal view returns (bytes memory) {
        return abi.encodeCall(account.execute, (BATCH, abi.encode(calls)));
    }

    function single(Execution memory call) internal view returns (bytes memory) {
        return single(call.target, call.value, call.callData);
    }

    // Operations.

    function tailOf(Grant memory terms, CallProof[] memory proofs) internal pure returns (Tail memory tail) {
        (tail.asset, tail.payees, tail.extras, tail.proofs) = (
            terms.asset,
            terms.payees,
            terms.extras,
            proofs
        );
    }

    function ruledDraft(Grant memory terms, bytes memory callData) internal returns (Draft memory d) {
        d = draft(terms);
        d.kind = 4;
        d.callData = callData;
    }

    function build(Draft memory d, Tail memory tail) internal view returns (PackedUserOperation memory op) {
        op = unsigned(d.callData, d.nonceKey);
        op.paymasterAndData = d.paymasterAndData;
        sign(op, d, tail);
    }

    /// For one call: the operation.
    function build(
        Grant memory terms,
        Execution memory call,
        CallProof memory proof
    ) internal returns (PackedUserOperation memory) {
        return build(ruledDraft(terms, single(call)), tailOf(terms, list(proof)));
    }

    function sign(PackedUserOperation memory op, Draft memory d, Tail memory tail) internal view {
        bytes memory end = abi.encode(tail);
        bytes memory claim = abi.encode(
            account.policyIdOf(d.grant),
            d.validAfter,
            d.validAfter + d.span,
            d.size,
            d.root
        );
        bytes32 structHash = keccak256(
            bytes.concat(
                keccak256(
                    "RuledOperation(bytes32 userOpHash,bytes32 policyId,uint256 validAfter,uint256 validUntil,uint256 size,bytes32 root,bytes32 tail)"
                ),
                userOpHash(op),
                claim,
                keccak256(end)
            )
        );
        op.signature = bytes.concat(
            abi.encodePacked(d.kind, d.grant.agent),
            compact(d.agentKey, digest(structHash)),
            abi.encodePacked(uint32(d.validAfter), uint16(d.span), uint32(d.size), d.root, d.terms),
            end
        );
    }

    /// Sends an operation whose execution has to fail for this reason.
    function executionFails(PackedUserOperation memory op, bytes memory reason) internal {
        vm.recordLogs();
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
        Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != keccak256("UserOperationRevertReason(bytes32,address,uint256,bytes)"))
                continue;
            (, bytes memory actual) = abi.decode(logs[i].data, (uint256, bytes));
            assertEq(keccak256(actual), keccak256(reason));
            return;
        }
        assertTrue(false, "the operation did not fail");
    }

    // Signatures.

    /// Of a key, in 65 bytes.
    function signed(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    /// The owner's signature of a grant.
    function ownerSigns(uint256 key, Grant memory terms) internal view returns (bytes memory) {
        return compact(key, digest(installHash(account.policyIdOf(terms), account.epoch())));
    }

    // Approvals.

    function approvalHash(
        address by,
        bytes32 policyId,
        bytes memory callData,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "Approval(address approver,bytes32 policyId,bytes32 callHash,uint256 nonce,uint256 deadline)"
                    ),
                    by,
                    policyId,
                    keccak256(callData),
                    nonce,
                    deadline
                )
            );
    }

    /// Signed by `key` in the name of the only approver.
    function approvalFor(
        Draft memory d,
        uint256 key,
        uint256 nonce
    ) internal view returns (Approval memory approval) {
        approval.approver = approver;
        approval.path = new bytes32[](0);
        approval.nonce = nonce;
        approval.deadline = d.validAfter + d.span;
        bytes32 hash = approvalHash(
            approver,
            account.policyIdOf(d.grant),
            d.callData,
            nonce,
            approval.deadline
        );
        approval.signature = compact(key, digest(hash));
    }
}
