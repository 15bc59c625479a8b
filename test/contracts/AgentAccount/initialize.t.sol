// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {AgentAccount} from "../../../contracts/AgentAccount.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract InitializeTest is AccountTest {
    function test_initialize_setsOwnerOnce(address first, address second) public {
        vm.assume(first != address(0));
        AgentAccount bare = AgentAccount(payable(Clones.clone(factory.implementation())));
        bare.initialize(first);
        assertEq(bare.owner(), first);
        assertEq(bare.epoch(), 0);
        vm.expectRevert(IAgentAccount.AlreadyInitialized.selector);
        bare.initialize(second);
    }

    function test_initialize_reverts_zeroOwner() public {
        AgentAccount bare = AgentAccount(payable(Clones.clone(factory.implementation())));
        vm.expectRevert(IAgentAccount.ZeroOwner.selector);
        bare.initialize(address(0));
    }

    function test_initialize_reverts_implementation(address anybody) public {
        AgentAccount implementation = AgentAccount(payable(factory.implementation()));
        vm.expectRevert(IAgentAccount.AlreadyInitialized.selector);
        implementation.initialize(anybody);
    }
}
