// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

/// What it is good for: validateUserOp.extras.t.sol.
contract HeartbeatTest is AccountTest {
    function test_heartbeat_notesTheTime(uint32 later) public {
        assertEq(account.lastHeartbeat(), 0);
        warp(START + later);
        vm.expectEmit(address(account));
        emit ISpendPolicy.Heartbeat(address(account), time);
        vm.prank(owner);
        account.heartbeat();
        assertEq(account.lastHeartbeat(), time);
        assertEq(account.owner(), owner);
    }

    function test_heartbeat_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.heartbeat();
    }
}
