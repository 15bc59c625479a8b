// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract EntryPointTest is AccountTest {
    function test_entryPoint_isTheOneOfTheImplementation(address anybody) public {
        IAgentAccount implementation = newImplementation(anybody, address(log));
        assertEq(implementation.entryPoint(), anybody);
        assertEq(IAgentAccount(Clones.clone(address(implementation))).entryPoint(), anybody);
        assertEq(account.entryPoint(), address(entryPoint));
    }
}
