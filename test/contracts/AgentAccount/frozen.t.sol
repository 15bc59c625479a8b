// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract FrozenTest is AccountTest {
    /// Each bit freezes or unfreezes; the last word counts, however often it was said.
    function test_frozen_isTheLastWord(uint8 bits) public {
        IAgentAccount second = IAgentAccount(factory.createAccount(owner, 1));
        assertTrue(!account.frozen(), "frozen from the start");
        for (uint256 i = 0; i < 8; ++i) {
            bool freeze = (bits >> i) & 1 == 1;
            vm.prank(owner);
            if (freeze) account.freeze();
            else account.unfreeze();
            assertTrue(account.frozen() == freeze, "not the last word");
            assertTrue(!second.frozen(), "froze another account");
        }
    }
}
