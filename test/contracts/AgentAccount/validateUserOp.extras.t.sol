// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEntryPoint, PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {
    Approval,
    CallProof,
    Extras,
    Grant,
    ISpendPolicy,
    Tail
} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {RuledTest} from "../base/RuledTest.sol";

/// What extras demand of an operation: counts, co-signatures, heartbeat, paymaster; and the form of kind 4.
contract ValidateUserOpExtrasTest is RuledTest {
    function _draft(Grant memory terms, uint256 amount) private returns (Draft memory) {
        return ruledDraft(terms, single(payment(3, amount)));
    }

    function _tail(Grant memory terms) private view returns (Tail memory) {
        return tailOf(terms, list(payeePath(3)));
    }

    function _pay(Grant memory terms, uint256 amount) private returns (PackedUserOperation memory) {
        return build(_draft(terms, amount), _tail(terms));
    }

    function _two(bytes4 selector, uint256 actual, uint256 allowed) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, actual, allowed);
    }

    // Counts.

    function test_extras_countsOperations(uint8 most) public {
        Extras memory extras;
        extras.operations = bound(most, 1, 6);
        Grant memory terms = grantWith(extras);
        install(terms);
        for (uint256 i = 0; i < extras.operations; ++i) {
            send(_pay(terms, 0.1 ether));
            warp(time + 2 days);
        }
        uint256 word = account.operationCounters(account.policyIdOf(terms));
        assertEq(uint24(word >> 152), extras.operations);
        refused(
            _pay(terms, 0),
            _two(ISpendPolicy.TooManyOperations.selector, extras.operations + 1, extras.operations)
        );
        // What moves nothing is not counted.
        send(build(ruledDraft(terms, ""), tailOf(terms, new CallProof[](0))));
    }

    function test_extras_countsOperationsPerWindow(uint8 most, uint32 later) public {
        Extras memory extras;
        extras.operationsPerWindow = bound(most, 1, 4);
        Grant memory terms = grantWith(extras);
        install(terms);
        for (uint256 i = 0; i < extras.operationsPerWindow; ++i) send(_pay(terms, 0));
        warp(time + bound(later, 0, 6 * BUCKET - 300));
        uint256 allowed = extras.operationsPerWindow;
        refused(_pay(terms, 0), _two(ISpendPolicy.TooManyOperationsInWindow.selector, allowed + 1, allowed));
        warp(START + 7 * BUCKET + 300);
        send(_pay(terms, 0));
        assertEq(uint24(account.operationCounters(account.policyIdOf(terms)) >> 152), 0);
    }

    function test_extras_countsSurviveAGrantAnew() public {
        Extras memory extras;
        extras.operations = 1;
        Grant memory terms = grantWith(extras);
        install(terms);
        send(_pay(terms, 0));
        vm.prank(owner);
        account.revokeAll();
        install(terms);
        refused(_pay(terms, 0), _two(ISpendPolicy.TooManyOperations.selector, 2, 1));
    }

    // Approvals.

    function _withApprover(uint256 ceiling) private returns (Grant memory terms) {
        Extras memory extras;
        extras.approvers = bytes32(uint256(uint160(approver)));
        extras.ceiling = ceiling;
        terms = grantWith(extras);
        install(terms);
    }

    function test_extras_approvalLiftsThePerCallCap(uint256 amount) public {
        amount = bound(amount, 5 ether + 1, 20 ether);
        Grant memory terms = _withApprover(20 ether);
        Draft memory d = _draft(terms, amount);
        refused(build(d, _tail(terms)), _two(ISpendPolicy.OverPerCall.selector, amount, 5 ether));
        Tail memory tail = _tail(terms);
        tail.approval = approvalFor(d, APPROVER_KEY, 1);
        send(build(d, tail));
        assertEq(token.balanceOf(payees[3]), amount);
    }

    function test_extras_reverts_overTheCeiling(uint256 ceiling, uint256 amount) public {
        ceiling = bound(ceiling, 0, 100 ether);
        uint256 allowed =
            ceiling > 50 ether
                ? 50 ether
                : ceiling < 5 ether
                    ? 5 ether
                    : ceiling;
        amount = bound(amount, allowed + 1, 1000 ether);
        Grant memory terms = _withApprover(ceiling);
        Draft memory d = _draft(terms, amount);
        Tail memory tail = _tail(terms);
        tail.approval = approvalFor(d, APPROVER_KEY, 1);
        refused(build(d, tail), _two(ISpendPolicy.OverPerCall.selector, amount, allowed));
    }

    /// The window holds for what was approved too.
    function test_extras_approvedAmountsCount() public {
        Grant memory terms = _withApprover(40 ether);
        for (uint256 i = 0; i < 2; ++i) {
            Draft memory d = _draft(terms, 30 ether);
            Tail memory tail = _tail(terms);
            tail.approval = approvalFor(d, APPROVER_KEY, i);
            if (i == 0) send(build(d, tail));
            else refused(build(d, tail), _two(ISpendPolicy.OverWindow.selector, 60 ether, 50 ether));
        }
    }

    function test_extras_reverts_approvalUsedTwice() public {
        Grant memory terms = _withApprover(20 ether);
        Draft memory d = _draft(terms, 6 ether);
        Tail memory tail = _tail(terms);
        tail.approval = approvalFor(d, APPROVER_KEY, 1);
        send(build(d, tail));
        bytes32 hash = approvalHash(
            approver,
            account.policyIdOf(terms),
            d.callData,
            1,
            tail.approval.deadline
        );
        assertEq(account.approvalState(hash), 2);
        d.size = ++size;
        refused(build(d, tail), abi.encodeWithSelector(ISpendPolicy.ApprovalUsed.selector, hash));
        // Not even by recording it once more.
        bytes32 policyId = account.policyIdOf(terms);
        vm.prank(approver);
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.ApprovalUsed.selector, hash));
        account.recordApproval(approver, policyId, keccak256(d.callData), 1, tail.approval.deadline, "");
    }

    function test_extras_approvalUsedTwiceInOneBundle() public {
        Grant memory terms = _withApprover(20 ether);
        Draft memory d = _draft(terms, 6 ether);
        Tail memory tail = _tail(terms);
        tail.approval = approvalFor(d, APPROVER_KEY, 1);
        PackedUserOperation memory first = build(d, tail);
        d.size = ++size;
        d.nonceKey = laneOf(agent, 1);
        PackedUserOperation memory second = build(d, tail);
        bytes32 hash = approvalHash(
            approver,
            account.policyIdOf(terms),
            d.callData,
            1,
            tail.approval.deadline
        );
        refused(bundle(first, second), 1, abi.encodeWithSelector(ISpendPolicy.ApprovalUsed.selector, hash));
    }

    function test_extras_fails_approvalByOthers(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        Grant memory terms = _withApprover(20 ether);
        Draft memory d = _draft(terms, 6 ether);
        Tail memory tail = _tail(terms);
        tail.approval = approvalFor(d, key, 1);
        unsignedRefused(build(d, tail));
        tail.approval.approver = vm.addr(key);
        refused(
            build(d, tail),
            abi.encodeWithSelector(ISpendPolicy.ApproverNotAllowed.selector, vm.addr(key))
        );
    }

    /// Of other calls, another policy, another nonce, another deadline.
    function test_extras_fails_approvalOfSomethingElse(uint256 which) public {
        Grant memory terms = _withApprover(20 ether);
        Draft memory d = _draft(terms, 6 ether);
        Tail memory tail = _tail(terms);
        Draft memory asked = _draft(terms, 6 ether);
        which = bound(which, 0, 3);
        if (which == 0) asked.callData = single(payment(4, 6 ether));
        if (which == 1) asked.grant.salt = 77;
        tail.approval = approvalFor(asked, APPROVER_KEY, which == 2 ? 2 : 1);
        if (which == 2) tail.approval.nonce = 1;
        if (which == 3) tail.approval.deadline += 1;
        d.grant.salt = 1;
        unsignedRefused(build(d, tail));
    }

    function test_extras_reverts_approvalExpired(uint256 early) public {
        Grant memory terms = _withApprover(20 ether);
        Draft memory d = _draft(terms, 6 ether);
        Tail memory tail = _tail(terms);
        uint256 until = d.validAfter + d.span;
        tail.approval = approvalFor(d, APPROVER_KEY, 1);
        tail.approval.deadline = until - bound(early, 1, until);
        refused(build(d, tail), _two(ISpendPolicy.ApprovalExpired.selector, until, tail.approval.deadline));
    }

    function test_extras_reverts_approvalNotRecorded() public {
        Grant memory terms = _withApprover(20 ether);
        Draft memory d = _draft(terms, 6 ether);
        Tail memory tail = _tail(terms);
        tail.approval = approvalFor(d, APPROVER_KEY, 1);
        tail.approval.signature = "";
        bytes32 hash = approvalHash(
            approver,
            account.policyIdOf(terms),
            d.callData,
            1,
            tail.approval.deadline
        );
        refused(build(d, tail), abi.encodeWithSelector(ISpendPolicy.ApprovalNotRecorded.selector, hash));
        tail.approval.signature = new bytes(65);
        refused(
            build(d, tail),
            abi.encodeWithSelector(ISpendPolicy.MalformedSignature.selector, uint256(65))
        );
    }

    /// With no approvers, zero would be its own root: but zero as approver means that there is none.
    function test_extras_reverts_approvalWithoutApprovers(address by) public {
        vm.assume(by != address(0));
        Extras memory extras;
        extras.ceiling = 20 ether;
        Grant memory terms = grantWith(extras);
        install(terms);
        Draft memory d = _draft(terms, 6 ether);
        Tail memory tail = _tail(terms);
        refused(build(d, tail), _two(ISpendPolicy.OverPerCall.selector, 6 ether, 5 ether));
        tail.approval = approvalFor(d, APPROVER_KEY, 1);
        tail.approval.approver = by;
        refused(build(d, tail), abi.encodeWithSelector(ISpendPolicy.ApproverNotAllowed.selector, by));
    }

    // Heartbeat.

    function test_extras_heartbeat(uint32 span, uint32 later) public {
        Extras memory extras;
        extras.heartbeat = bound(span, 301, 300 days);
        Grant memory terms = grantWith(extras);
        install(terms);
        Draft memory d = _draft(terms, 1);
        refused(
            build(d, _tail(terms)),
            _two(ISpendPolicy.HeartbeatMissed.selector, d.validAfter + d.span, 0)
        );
        vm.prank(owner);
        account.heartbeat();
        uint256 allowed = time + extras.heartbeat;
        warp(time + bound(later, 0, 301 days));
        d = _draft(terms, 1);
        PackedUserOperation memory op = build(d, _tail(terms));
        if (d.validAfter + d.span <= allowed) send(op);
        else refused(op, _two(ISpendPolicy.HeartbeatMissed.selector, d.validAfter + d.span, allowed));
    }

    /// The last second that a heartbeat gives, and the first that it does not.
    function test_extras_heartbeatLastSecond() public {
        Extras memory extras;
        extras.heartbeat = 1 days;
        Grant memory terms = grantWith(extras);
        install(terms);
        vm.prank(owner);
        account.heartbeat();
        uint256 allowed = time + 1 days;
        Draft memory d = _draft(terms, 1);
        d.span = 300;
        d.validAfter = allowed - 299;
        warp(allowed - 200);
        refused(build(d, _tail(terms)), _two(ISpendPolicy.HeartbeatMissed.selector, allowed + 1, allowed));
        d.validAfter -= 1;
        send(build(d, _tail(terms)));
    }

    // Paymaster.

    function test_extras_reverts_otherPaymaster(address named, address comes) public {
        vm.assume(comes != named && uint160(comes) > 0xffff && comes.code.length == 0);
        Extras memory extras;
        extras.paymaster = named;
        Grant memory terms = grantWith(extras);
        install(terms);
        vm.deal(address(this), 1 ether);
        entryPoint.depositTo{value: 1 ether}(comes);
        Draft memory d = _draft(terms, 1);
        d.paymasterAndData = abi.encodePacked(comes, uint128(100_000), uint128(0));
        refused(
            build(d, _tail(terms)),
            abi.encodeWithSelector(ISpendPolicy.PaymasterNotAllowed.selector, comes)
        );
    }

    function test_extras_paymasterPays() public {
        Extras memory extras;
        extras.paymaster = address(new KindPaymaster());
        Grant memory terms = grantWith(extras);
        // It would be over the fee cap, and over the budget.
        (terms.feeCap, terms.gasBudget) = (0, 0);
        install(terms);
        entryPoint.depositTo{value: 1 ether}(extras.paymaster);
        uint256 deposit = entryPoint.balanceOf(address(account));
        Draft memory d = _draft(terms, 1);
        assertTrue(!trySend(build(d, _tail(terms))), "paid itself");
        d.paymasterAndData = abi.encodePacked(extras.paymaster, uint128(100_000), uint128(0));
        send(build(d, _tail(terms)));
        assertEq(entryPoint.balanceOf(address(account)), deposit);
        assertEq(account.usage(account.policyIdOf(terms)).gasSpent, 0);
    }

    // Form.

    function test_extras_everyByteOfTheSignatureCounts(uint256 position, uint8 flip) public {
        Grant memory terms = _withApprover(20 ether);
        Draft memory d = _draft(terms, 6 ether);
        Tail memory tail = _tail(terms);
        tail.approval = approvalFor(d, APPROVER_KEY, 1);
        PackedUserOperation memory op = build(d, tail);
        position = bound(position, 0, op.signature.length - 1);
        op.signature[position] ^= bytes1(flip == 0 ? 1 : flip);
        assertTrue(!trySend(op), "accepted");
        op.signature[position] ^= bytes1(flip == 0 ? 1 : flip);
        op.signature = bytes.concat(op.signature, hex"00");
        assertTrue(!trySend(op), "longer");
    }

    function test_extras_grantInside() public {
        Extras memory extras;
        extras.operations = 3;
        Grant memory terms = grantWith(extras);
        Draft memory d = _draft(terms, 1 ether);
        Tail memory tail = _tail(terms);
        tail.ownerSignature = ownerSigns(OTHER_KEY, terms);
        unsignedRefused(build(d, tail));
        tail.ownerSignature = ownerSigns(OWNER_KEY, terms);
        bytes32 policyId = account.policyIdOf(terms);
        vm.expectEmit(address(account));
        emit ISpendPolicy.Granted(
            address(account),
            policyId,
            agent,
            terms.asset,
            terms.payees,
            account.termsOf(terms),
            0
        );
        vm.expectEmit(address(account));
        emit ISpendPolicy.ExtrasGranted(address(account), policyId, extras);
        send(build(d, tail));
        // Once.
        d = _draft(terms, 1 ether);
        refused(build(d, tail), abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, policyId));
        send(_pay(terms, 1 ether));
    }

    /// An approver's signature does not make up for the owner's, nor the owner's for an approver's.
    function test_extras_fails_unlessOwnerAndApproverSigned() public {
        Extras memory extras;
        extras.approvers = bytes32(uint256(uint160(approver)));
        Grant memory terms = grantWith(extras);
        Draft memory d = _draft(terms, 1 ether);
        Tail memory tail = _tail(terms);
        bytes memory approved = approvalFor(d, APPROVER_KEY, 1).signature;
        tail.approval = approvalFor(d, APPROVER_KEY, 1);
        tail.ownerSignature = ownerSigns(OTHER_KEY, terms);
        unsignedRefused(build(d, tail));
        tail.ownerSignature = ownerSigns(OWNER_KEY, terms);
        tail.approval.signature = ownerSigns(APPROVER_KEY, terms);
        unsignedRefused(build(d, tail));
        tail.approval.signature = approved;
        send(build(d, tail));
    }

    function test_extras_reverts_grantInsideOutOfBounds() public {
        for (uint256 which = 0; which < 4; ++which) _refusedOutOfBounds(which);
    }

    function _refusedOutOfBounds(uint256 which) private {
        Extras memory extras;
        if (which == 0) extras.functions = 16;
        if (which == 1) extras.operations = 1 << 24;
        if (which == 2) extras.operationsPerWindow = 1 << 16;
        if (which == 3) extras.heartbeat = 1 << 32;
        Grant memory terms = grantWith(extras);
        Tail memory tail = _tail(terms);
        tail.ownerSignature = ownerSigns(OWNER_KEY, terms);
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.TermsNotRepresentable.selector);
        refused(build(_draft(terms, 1), tail), reason);
        vm.prank(owner);
        vm.expectRevert(reason);
        account.grant(terms);
    }

    function test_extras_reverts_malformedOwnerSignature(uint8 length) public {
        vm.assume(length != 64 && length != 0);
        Grant memory terms = standardGrant();
        Tail memory tail = _tail(terms);
        tail.ownerSignature = new bytes(length);
        refused(
            build(_draft(terms, 1), tail),
            abi.encodeWithSelector(ISpendPolicy.MalformedSignature.selector, uint256(length))
        );
    }

    function test_extras_reverts_otherExtras(uint256 which) public {
        Grant memory terms = _withApprover(20 ether);
        Extras memory wider = terms.extras;
        which = bound(which, 0, 5);
        if (which == 0) wider.functions = 15;
        if (which == 1) wider.ceiling = 50 ether;
        if (which == 2) wider.rules = keccak256("mine");
        if (which == 3) wider.paymaster = agent;
        if (which == 4) wider.approvers = bytes32(uint256(uint160(agent)));
        if (which == 5) wider.operations = 9;
        refused(_pay(terms, 1), notGranted(terms));
    }

    /// The kinds of plain grants don't know extras.
    function test_extras_reverts_otherKinds() public {
        Grant memory terms = _withApprover(20 ether);
        Grant memory plain = standardGrant();
        Draft memory d = draft(terms);
        refused(d, notGranted(plain));
        d = draft(terms);
        d.kind = 3;
        refused(d, notGranted(plain));
    }

    function test_extras_reverts_frozenRevokedEpoch() public {
        Grant memory terms = _withApprover(20 ether);
        vm.prank(owner);
        account.freeze();
        refused(_pay(terms, 1), abi.encodeWithSelector(ISpendPolicy.Frozen.selector));
        vm.prank(owner);
        account.unfreeze();
        vm.prank(owner);
        account.revokeAll();
        refused(_pay(terms, 1), notGranted(terms));
        install(terms);
        send(_pay(terms, 1));
        bytes32 policyId = account.policyIdOf(terms);
        vm.prank(owner);
        account.revoke(policyId);
        refused(_pay(terms, 1), notGranted(terms));
    }

    function test_extras_reverts_laneOfOthers(uint192 key) public {
        vm.assume(address(uint160(key)) != agent);
        Grant memory terms = _withApprover(20 ether);
        Draft memory d = _draft(terms, 1);
        d.nonceKey = key;
        refused(
            build(d, _tail(terms)),
            abi.encodeWithSelector(ISpendPolicy.LaneNotAllowed.selector, address(uint160(key)), agent)
        );
    }
}

/// Pays for anybody.
contract KindPaymaster {
    function validatePaymasterUserOp(
        PackedUserOperation calldata,
        bytes32,
        uint256
    ) external pure returns (bytes memory, uint256) {
        return ("", 0);
    }
}
