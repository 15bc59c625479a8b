// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {AgentAccount} from "../../../contracts/AgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract EntryPointTest is AccountTest {
    function test_entryPoint_isTheOneOfTheImplementation(address anybody) public {
        AgentAccount implementation = new AgentAccount(anybody, address(log));
        assertEq(implementation.entryPoint(), anybody);
        assertEq(AgentAccount(payable(Clones.clone(address(implementation)))).entryPoint(), anybody);
        assertEq(account.entryPoint(), address(entryPoint));
    }
}
