// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract IsGuardianTest is AccountTest {
    /// Each bit names or dismisses; the last word counts, for this guardian of this account only.
    function test_isGuardian_isTheLastWord(address guardian, uint8 bits) public {
        IAgentAccount second = IAgentAccount(factory.createAccount(owner, 1));
        for (uint256 i = 0; i < 8; ++i) {
            bool active = (bits >> i) & 1 == 1;
            vm.prank(owner);
            account.setGuardian(guardian, active);
            assertTrue(account.isGuardian(guardian) == active, "not the last word");
            assertTrue(!second.isGuardian(guardian), "guards another account");
            assertTrue(!account.isGuardian(address(uint160(guardian) ^ 1)), "somebody else guards");
        }
    }

    /// The owner may freeze as owner, and guards nothing.
    function test_isGuardian_notTheOwner() public view {
        assertTrue(!account.isGuardian(owner), "the owner guards");
    }
}
