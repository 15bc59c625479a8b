// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract EpochTest is AccountTest {
    function test_epoch_countsRevokeAll(uint256 times) public {
        times = bound(times, 0, 20);
        IAgentAccount second = IAgentAccount(factory.createAccount(owner, 1));
        for (uint256 i = 0; i < times; ++i) {
            assertEq(account.epoch(), i);
            vm.prank(owner);
            account.revokeAll();
        }
        assertEq(account.epoch(), times);
        assertEq(second.epoch(), 0);
    }
}
