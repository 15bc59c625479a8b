// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

/// What it does to agents: validateUserOp.ruled.t.sol.
contract HeartbeatTest is ValidatorTest {
    function test_heartbeat_notesTheTime() public {
        assertEq(module.lastHeartbeat(address(account)), 0);
        vm.expectEmit(address(module));
        emit ISpendPolicy.Heartbeat(address(account), START);
        vm.prank(owner);
        module.heartbeat(address(account));
        assertEq(module.lastHeartbeat(address(account)), START);
        assertEq(module.lastHeartbeat(address(bare)), 0);
    }

    function test_heartbeat_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        module.heartbeat(address(account));
    }
}
