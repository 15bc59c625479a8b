// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract OwnerTest is AccountTest {
    function test_owner_isTheOneItWasMadeFor(address anyOwner, uint256 salt) public {
        vm.assume(anyOwner != address(0));
        assertEq(account.owner(), owner);
        assertEq(IAgentAccount(factory.createAccount(anyOwner, salt)).owner(), anyOwner);
        assertEq(account.owner(), owner);
    }

    /// The implementation belongs to itself, so to nobody.
    function test_owner_ofTheImplementation() public view {
        address implementation = factory.implementation();
        assertEq(IAgentAccount(implementation).owner(), implementation);
    }
}
