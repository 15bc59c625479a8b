// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentAccountFactory} from "../../../contracts/AgentAccountFactory.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract ImplementationTest is AccountTest {
    function test_implementation_isTheOneGiven(address anyImplementation) public {
        assertEq(new AgentAccountFactory(anyImplementation).implementation(), anyImplementation);
    }

    function test_implementation_isBehindEveryAccount(address anyOwner, uint256 salt) public {
        vm.assume(anyOwner != address(0));
        bytes memory expected = abi.encodePacked(
            hex"363d3d373d3d3d363d73",
            factory.implementation(),
            hex"5af43d82803e903d91602b57fd5bf3"
        );
        assertEq(keccak256(factory.createAccount(anyOwner, salt).code), keccak256(expected));
    }
}
