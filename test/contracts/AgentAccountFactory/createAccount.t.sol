// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {IAgentAccountFactory} from "../../../contracts/interfaces/IAgentAccountFactory.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract CreateAccountTest is AccountTest {
    function test_createAccount_atItsAddress(address anyOwner, uint256 salt) public {
        vm.assume(anyOwner != address(0) && anyOwner != owner);
        address expected = factory.getAddress(anyOwner, salt);
        vm.expectEmit(address(factory));
        emit IAgentAccountFactory.AccountCreated(expected, anyOwner, salt);
        assertEq(factory.createAccount(anyOwner, salt), expected);
        assertEq(IAgentAccount(expected).owner(), anyOwner);
        assertEq(expected.code.length, 45);
    }

    function test_createAccount_again() public {
        vm.prank(owner);
        account.freeze();
        assertEq(factory.createAccount(owner, 0), address(account));
        assertTrue(account.frozen(), "made anew");
    }

    function test_createAccount_differsByOwnerAndSalt(
        address a,
        uint256 x,
        address b,
        uint256 y
    ) public view {
        vm.assume(a != b || x != y);
        assertTrue(factory.getAddress(a, x) != factory.getAddress(b, y), "same address");
    }

    function test_createAccount_reverts_zeroOwner(uint256 salt) public {
        vm.expectRevert(IAgentAccount.ZeroOwner.selector);
        factory.createAccount(address(0), salt);
    }
}
