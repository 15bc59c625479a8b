// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant, ISpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

contract RevokeAllTest is SpendGrantTest {
    function _revokeAll(uint256 next) private {
        vm.expectEmit(address(grants));
        emit ISpendGrant.EpochChanged(payer, next);
        vm.prank(payer);
        grants.revokeAll();
        assertEq(grants.epochOf(payer), next);
    }

    function test_revokeAll_endsWhatIsInForce() public {
        AgentSpendGrant memory first = directGrant();
        AgentSpendGrant memory second = directGrant();
        second.salt = 2;
        approve(first);
        approve(second);
        _revokeAll(1);
        bytes memory reason = refusal(ISpendGrant.OtherEpoch.selector, 0, 1);
        spendDirectlyRefused(first, payees[0], 1, reason);
        spendDirectlyRefused(second, payees[0], 1, reason);
    }

    function test_revokeAll_endsWhatIsOnlySigned() public {
        AgentSpendGrant memory grant = directGrant();
        bytes memory signature = signedBy(PAYER_KEY, grant);
        _revokeAll(1);
        vm.expectRevert(refusal(ISpendGrant.OtherEpoch.selector, 0, 1));
        grants.approveBySignature(grant, signature);
    }

    function test_revokeAll_nextEpochWorks() public {
        _revokeAll(1);
        _revokeAll(2);
        AgentSpendGrant memory grant = directGrant();
        grant.epoch = 2;
        approve(grant);
        spendDirectly(grant, payees[0], 5 ether);
        _revokeAll(3);
        spendDirectlyRefused(grant, payees[0], 1, refusal(ISpendGrant.OtherEpoch.selector, 2, 3));
    }

    function test_revokeAll_leavesOtherPayers(address caller) public {
        vm.assume(caller != payer && caller != address(vm));
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        vm.prank(caller);
        grants.revokeAll();
        assertEq(grants.epochOf(payer), 0);
        spendDirectly(grant, payees[0], 5 ether);
    }

    /// What was signed for a later epoch lives from then on.
    function test_revokeAll_bringsLaterEpochsIn() public {
        AgentSpendGrant memory grant = directGrant();
        grant.epoch = 1;
        bytes memory signature = signedBy(PAYER_KEY, grant);
        vm.expectRevert(refusal(ISpendGrant.OtherEpoch.selector, 1, 0));
        grants.approveBySignature(grant, signature);
        _revokeAll(1);
        grants.approveBySignature(grant, signature);
    }

    function test_revokeAll_oldRevocationsStay() public {
        AgentSpendGrant memory grant = directGrant();
        grant.epoch = 1;
        bytes32 hash = digestOf(grant);
        vm.prank(payer);
        grants.revoke(hash);
        _revokeAll(1);
        bytes memory signature = signedBy(PAYER_KEY, grant);
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, hash));
        grants.approveBySignature(grant, signature);
    }
}
