// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant, ISpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy, Status} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

contract ApproveTest is SpendGrantTest {
    function test_approve_byThePayer() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = digestOf(grant);
        vm.expectEmit(address(grants));
        emit ISpendGrant.Approved(hash, payer, agent, grant);
        vm.prank(payer);
        assertEq(grants.approve(grant), hash);
        spendDirectly(grant, payees[0], 5 ether);
        assertEq(token.balanceOf(payees[0]), 5 ether);
    }

    function test_approve_againChangesNothing() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = approve(grant);
        spendDirectly(grant, payees[0], 5 ether);
        uint256 word = grants.counters(payer, hash);
        vm.prank(payer);
        grants.approve(grant);
        assertEq(grants.counters(payer, hash), word);
    }

    function test_approve_reverts_anybodyElse(address caller) public {
        vm.assume(caller != payer && caller != address(vm));
        AgentSpendGrant memory grant = directGrant();
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAccount.selector, caller, payer));
        vm.prank(caller);
        grants.approve(grant);
    }

    function test_approve_reverts_revoked() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = digestOf(grant);
        vm.prank(payer);
        grants.revoke(hash);
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, hash));
        vm.prank(payer);
        grants.approve(grant);
        assertStatus(grant, Status.Revoked);
    }

    function test_approve_reverts_otherEpoch() public {
        AgentSpendGrant memory grant = directGrant();
        grant.epoch = 1;
        vm.expectRevert(refusal(ISpendGrant.OtherEpoch.selector, 1, 0));
        vm.prank(payer);
        grants.approve(grant);
    }

    /// What is refused of a signed grant is refused here too.
    function test_approve_reverts_windowOfNoLength() public {
        AgentSpendGrant memory grant = directGrant();
        grant.window = 0;
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.WindowNotAllowed.selector, 0));
        vm.prank(payer);
        grants.approve(grant);
    }

    /// Bits above a field never come into force: what is approved is read without looking for them.
    function test_approve_reverts_dirtyWords(uint256 field, uint256 dirt) public {
        uint256[12] memory widths = [uint256(160), 160, 160, 160, 160, 160, 48, 160, 48, 48, 1, 64];
        field = bound(field, 0, 11);
        dirt = bound(dirt, 1, type(uint256).max >> widths[field]);
        bytes memory data = abi.encodeCall(grants.approve, (directGrant()));
        // selector, the only argument's offset, then the fields; behind the payees' offset anyPayee and epoch
        uint256 place = 36 + 32 + 32 * (field > 9 ? field + 1 : field);
        assembly ("memory-safe") {
            place := add(data, place)
            mstore(place, or(mload(place), shl(mload(add(widths, mul(field, 32))), dirt)))
        }
        vm.prank(payer);
        (bool done, ) = address(grants).call(data);
        assertTrue(!done, "accepted");
    }

    function test_approve_reverts_dirtyPayee() public {
        bytes memory data = abi.encodeCall(grants.approve, (directGrant()));
        uint256 place = data.length - 32 * 2;
        assembly ("memory-safe") {
            place := add(add(data, 32), place)
            mstore(place, or(mload(place), shl(160, 1)))
        }
        vm.prank(payer);
        (bool done, ) = address(grants).call(data);
        assertTrue(!done, "accepted");
    }
}
