// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant, ISpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy, Status} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";
import {Payees} from "../base/Payees.sol";

/// Which grants come into force. Who may sign is in signature.t.sol.
contract ApproveBySignatureTest is SpendGrantTest {
    function _refused(AgentSpendGrant memory grant, bytes memory reason) private {
        bytes memory signature = signedBy(PAYER_KEY, grant);
        vm.expectRevert(reason);
        grants.approveBySignature(grant, signature);
        assertStatus(grant, Status.Unknown);
    }

    function test_approveBySignature_byAnybody(address sender) public {
        vm.assume(sender != address(vm));
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = digestOf(grant);
        bytes memory signature = signedBy(PAYER_KEY, grant);
        vm.expectEmit(address(grants));
        emit ISpendGrant.Approved(hash, payer, agent, grant);
        vm.prank(sender);
        assertEq(grants.approveBySignature(grant, signature), hash);
        assertStatus(grant, Status.Granted);
    }

    function test_approveBySignature_againChangesNothing() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = approve(grant);
        spendDirectly(grant, payees[0], 5 ether);
        uint256 word = grants.counters(payer, hash);
        vm.recordLogs();
        approve(grant);
        // In force: even a signature of nobody changes nothing.
        assertEq(grants.approveBySignature(grant, ""), hash);
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(grants.counters(payer, hash), word);
    }

    function test_approveBySignature_beginsAtZero() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = approve(grant);
        // Status granted, exponent 15: 50e18 has 16 bits in units of 10^15.
        assertEq(grants.counters(payer, hash), (uint256(1) << 248) | (15 << 176));
    }

    function test_approveBySignature_reverts_revoked() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = digestOf(grant);
        vm.prank(payer);
        grants.revoke(hash);
        bytes memory signature = signedBy(PAYER_KEY, grant);
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, hash));
        grants.approveBySignature(grant, signature);
    }

    function test_approveBySignature_reverts_otherEpoch(uint64 epoch) public {
        vm.prank(payer);
        grants.revokeAll();
        AgentSpendGrant memory grant = directGrant();
        grant.epoch = epoch;
        if (epoch == 1) approve(grant);
        else _refused(grant, refusal(ISpendGrant.OtherEpoch.selector, epoch, 1));
    }

    /// Also where it was in force before.
    function test_approveBySignature_reverts_epochMoved() public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        vm.prank(payer);
        grants.revokeAll();
        bytes memory signature = signedBy(PAYER_KEY, grant);
        vm.expectRevert(refusal(ISpendGrant.OtherEpoch.selector, 0, 1));
        grants.approveBySignature(grant, signature);
    }

    // The accounts.

    function test_approveBySignature_reverts_thisContractPays() public {
        AgentSpendGrant memory grant = directGrant();
        grant.account = address(grants);
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.AccountNotAllowed.selector, address(grants)));
        vm.prank(address(grants));
        grants.approve(grant);
    }

    function test_approveBySignature_reverts_nobodyPays() public {
        AgentSpendGrant memory grant = directGrant();
        grant.account = address(0);
        bytes32 hash = digestOf(grant);
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.WrongSigner.selector, address(0)));
        grants.approveBySignature(grant, new bytes(65));
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.AccountNotAllowed.selector, address(0)));
        vm.prank(address(0));
        grants.approve(grant);
        assertEq(grants.counters(address(0), hash), 0);
    }

    function test_approveBySignature_reverts_payerIsAgent() public {
        AgentSpendGrant memory grant = directGrant();
        grant.agent = payer;
        _refused(grant, abi.encodeWithSelector(ISpendGrant.AccountNotAllowed.selector, payer));
    }

    function test_approveBySignature_reverts_zeroAgent() public {
        AgentSpendGrant memory grant = directGrant();
        grant.agent = address(0);
        _refused(grant, abi.encodeWithSelector(ISpendPolicy.ZeroAgent.selector));
    }

    /// Zero is what an account says while its owner acts.
    function test_approveBySignature_reverts_zeroAgentKey() public {
        AgentSpendGrant memory grant = accountGrant();
        grant.agentKey = address(0);
        _refused(grant, abi.encodeWithSelector(ISpendPolicy.ZeroAgent.selector));
    }

    function test_approveBySignature_reverts_tokenWithoutCode() public {
        AgentSpendGrant memory grant = directGrant();
        grant.token = other;
        _refused(grant, abi.encodeWithSelector(ISpendGrant.TokenNotAllowed.selector, other));
    }

    // The limits.

    function test_approveBySignature_limits(uint256 perCall, uint256 perWindow, uint256 total) public {
        AgentSpendGrant memory grant = directGrant();
        total = bound(total, 1, 0xffffff);
        perWindow = bound(perWindow, 1, total < 0xffff ? total : 0xffff);
        perCall = bound(perCall, 1, perWindow);
        (grant.perCall, grant.perWindow, grant.total) = (
            uint160(perCall),
            uint160(perWindow),
            uint160(total)
        );
        approve(grant);
    }

    function test_approveBySignature_largestLimits() public {
        AgentSpendGrant memory grant = directGrant();
        // 65535 and 2^24 - 1 units of the largest power of ten with which 160 bits hold them.
        (grant.perCall, grant.perWindow, grant.total) = (
            65_535 * 10 ** 40,
            65_535 * 10 ** 40,
            16_777_215 * 10 ** 40
        );
        approve(grant);
        grant.perCall += 1;
        grant.perWindow += 1;
        _refused(
            grant,
            abi.encodeWithSelector(
                ISpendGrant.LimitsNotRepresentable.selector,
                grant.perCall,
                grant.perWindow,
                grant.total
            )
        );
    }

    function _limitsRefused(uint160 perCall, uint160 perWindow, uint160 total, bytes4 name) private {
        AgentSpendGrant memory grant = directGrant();
        (grant.perCall, grant.perWindow, grant.total) = (perCall, perWindow, total);
        _refused(grant, abi.encodeWithSelector(name, perCall, perWindow, total));
    }

    function test_approveBySignature_reverts_limitsOutOfOrder() public {
        bytes4 name = ISpendGrant.LimitsNotAllowed.selector;
        _limitsRefused(0, 50 ether, 100 ether, name);
        _limitsRefused(0, 0, 0, name);
        _limitsRefused(51 ether, 50 ether, 100 ether, name);
        _limitsRefused(5 ether, 101 ether, 100 ether, name);
        _limitsRefused(2, 1, 1, name);
    }

    function test_approveBySignature_reverts_tooManyDigits() public {
        bytes4 name = ISpendGrant.LimitsNotRepresentable.selector;
        _limitsRefused(1, 65_536, 65_536, name);
        _limitsRefused(10, 65_540, 65_541, name);
        _limitsRefused(10, 100, 16_777_216, name);
        _limitsRefused(5 ether, 50 ether, 1000 ether + 1, name);
        _limitsRefused(5 ether, 50 ether + 1, 1000 ether, name);
        _limitsRefused(5 ether + 1, 50 ether, 1000 ether, name);
    }

    // The times.

    function test_approveBySignature_windows(uint48 window) public {
        AgentSpendGrant memory grant = directGrant();
        grant.window = window;
        if (window % 6 == 0 && window >= 1800 && window <= 90 days) approve(grant);
        else _refused(grant, abi.encodeWithSelector(ISpendGrant.WindowNotAllowed.selector, window));
    }

    function test_approveBySignature_windowsAtTheEdge() public {
        uint48[8] memory windows = [uint48(0), 1794, 1799, 1800, 1801, 7_776_000, 7_776_006, 86_402];
        for (uint256 i = 0; i < windows.length; ++i) test_approveBySignature_windows(windows[i]);
    }

    function _validity(uint48 start, uint48 end, bool works) private {
        AgentSpendGrant memory grant = directGrant();
        (grant.validAfter, grant.validUntil) = (start, end);
        if (works) approve(grant);
        else _refused(grant, abi.encodeWithSelector(ISpendGrant.ValidityNotAllowed.selector, start, end));
    }

    function test_approveBySignature_validity() public {
        uint48 now_ = uint48(START);
        _validity(now_, now_ + 1, true);
        _validity(now_, now_ + 90 days, true);
        _validity(now_ + 365 days, now_ + 400 days, true);
        _validity(type(uint32).max - 1, type(uint32).max, true);
        _validity(now_, now_, false);
        _validity(now_ + 1, now_, false);
        _validity(now_, now_ + 90 days + 1, false);
        _validity(0, now_ + 1, false);
        _validity(type(uint32).max, uint48(type(uint32).max) + 1, false);
    }

    function test_approveBySignature_inItsLastSecond() public {
        AgentSpendGrant memory grant = directGrant();
        warp(grant.validUntil);
        approve(grant);
    }

    function test_approveBySignature_reverts_expired() public {
        AgentSpendGrant memory grant = directGrant();
        warp(uint256(grant.validUntil) + 1);
        _refused(grant, refusal(ISpendPolicy.Expired.selector, time, grant.validUntil));
    }

    // The payees.

    function test_approveBySignature_anybody() public {
        approve(anybody(directGrant()));
    }

    function test_approveBySignature_reverts_emptyListIsNotAnybody() public {
        AgentSpendGrant memory grant = directGrant();
        grant.payees = new address[](0);
        _refused(grant, abi.encodeWithSelector(ISpendGrant.PayeesNotClear.selector, 0, false));
    }

    function test_approveBySignature_reverts_payeesAndAnybody() public {
        AgentSpendGrant memory grant = directGrant();
        grant.anyPayee = true;
        _refused(grant, abi.encodeWithSelector(ISpendGrant.PayeesNotClear.selector, 8, true));
    }

    function test_approveBySignature_payeesUpTo32() public {
        AgentSpendGrant memory grant = directGrant();
        grant.payees = sorted(Payees.some(32));
        approve(grant);
        grant.payees = sorted(Payees.some(33));
        _refused(grant, refusal(ISpendGrant.TooManyPayees.selector, 33, 32));
    }

    function test_approveBySignature_reverts_payeesNotAscending() public {
        AgentSpendGrant memory grant = directGrant();
        (grant.payees[3], grant.payees[4]) = (grant.payees[4], grant.payees[3]);
        _refused(grant, abi.encodeWithSelector(ISpendGrant.PayeesNotAscending.selector, 4));
        grant.payees[4] = grant.payees[3];
        _refused(grant, abi.encodeWithSelector(ISpendGrant.PayeesNotAscending.selector, 4));
        grant.payees[0] = address(0);
        _refused(grant, abi.encodeWithSelector(ISpendGrant.PayeesNotAscending.selector, 0));
    }

    function test_approveBySignature_reverts_payeesThatCantBe() public {
        AgentSpendGrant memory grant = directGrant();
        grant.payees = only(payer);
        _refused(grant, notPayee(payer));
        grant.payees = only(address(grants));
        _refused(grant, notPayee(address(grants)));
    }
}
