// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract DecisionLogTest is AccountTest {
    function test_decisionLog_isTheOneOfTheImplementation(address anybody) public {
        IAgentAccount implementation = newImplementation(address(entryPoint), anybody);
        assertEq(implementation.decisionLog(), anybody);
        assertEq(IAgentAccount(Clones.clone(address(implementation))).decisionLog(), anybody);
        assertEq(account.decisionLog(), address(log));
    }
}
