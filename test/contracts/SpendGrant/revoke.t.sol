// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant, ISpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy, Status} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

contract RevokeTest is SpendGrantTest {
    function _revoke(AgentSpendGrant memory grant) private returns (bytes32 hash) {
        hash = digestOf(grant);
        vm.prank(payer);
        grants.revoke(hash);
        assertStatus(grant, Status.Revoked);
    }

    function test_revoke_endsAGrant() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = approve(grant);
        spendDirectly(grant, payees[0], 5 ether);
        vm.expectEmit(address(grants));
        emit ISpendGrant.Revoked(hash, payer, payer);
        _revoke(grant);
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, hash);
        spendDirectlyRefused(grant, payees[0], 1, reason);
        bytes memory signature = signedBy(PAYER_KEY, grant);
        vm.expectRevert(reason);
        grants.approveBySignature(grant, signature);
    }

    function test_revoke_beforeAnybodyBroughtIt() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = _revoke(grant);
        bytes memory signature = signedBy(PAYER_KEY, grant);
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, hash));
        grants.approveBySignature(grant, signature);
    }

    function test_revoke_neverFails(bytes32 hash, address caller) public {
        vm.assume(caller != address(vm));
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(caller);
            grants.revoke(hash);
        }
        assertEq(uint256(grants.statusOf(caller, hash)), uint256(Status.Revoked));
    }

    /// Nobody ends another's grant by its hash, the agent's neither.
    function test_revoke_ofAnotherChangesNothing(address caller) public {
        vm.assume(caller != payer && caller != address(vm));
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = approve(grant);
        vm.prank(caller);
        grants.revoke(hash);
        assertStatus(grant, Status.Granted);
        spendDirectly(grant, payees[0], 5 ether);
    }

    function test_revoke_leavesTheOthers() public {
        AgentSpendGrant memory first = directGrant();
        AgentSpendGrant memory second = directGrant();
        second.salt = 2;
        approve(first);
        approve(second);
        _revoke(first);
        spendDirectly(second, payees[0], 5 ether);
    }

    /// The agent saw the revocation coming: what it takes before is within the limits, and afterwards nothing is left.
    function test_revoke_frontRun() public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        for (uint256 i = 0; i < 10; ++i) spendDirectly(grant, payees[0], 5 ether);
        spendDirectlyRefused(
            grant,
            payees[0],
            1,
            refusal(ISpendPolicy.OverWindow.selector, 50 ether + 10 ** 15, 50 ether)
        );
        bytes32 hash = _revoke(grant);
        warp(time + 2 days);
        spendDirectlyRefused(
            grant,
            payees[0],
            1,
            abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, hash)
        );
        assertEq(token.balanceOf(payees[0]), 50 ether);
    }

    /// What was spent stays readable.
    function test_revoke_keepsTheCounters() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = approve(grant);
        spendDirectly(grant, payees[0], 5 ether);
        uint256 word = grants.counters(payer, hash);
        _revoke(grant);
        assertEq(grants.counters(payer, hash), word + (1 << 248));
    }
}
