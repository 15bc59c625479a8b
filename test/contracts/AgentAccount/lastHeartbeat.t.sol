// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountTest} from "../base/AccountTest.sol";

contract LastHeartbeatTest is AccountTest {
    /// Zero before the first one; then the time of the newest, whatever happens in between.
    function test_lastHeartbeat_isTheNewest(uint32 first, uint32 second) public {
        assertEq(account.lastHeartbeat(), 0);
        warp(START + first);
        vm.prank(owner);
        account.heartbeat();
        warp(time + second);
        vm.prank(owner);
        account.freeze();
        assertEq(account.lastHeartbeat(), START + first);
        vm.prank(owner);
        account.heartbeat();
        assertEq(account.lastHeartbeat(), time);
    }
}
