// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract WithdrawTest is AccountTest {
    function test_withdraw_token(uint256 amount) public {
        amount = bound(amount, 0, 1_000_000 ether);
        vm.expectEmit(address(account));
        emit IAgentAccount.Withdrawn(address(token), other, amount);
        vm.prank(owner);
        account.withdraw(address(token), payable(other), amount);
        assertEq(token.balanceOf(other), amount);
    }

    function test_withdraw_nativeWhileFrozen(uint256 amount) public {
        amount = bound(amount, 0, 1000 ether);
        vm.prank(owner);
        account.freeze();
        vm.prank(owner);
        account.withdraw(address(0), payable(other), amount);
        assertEq(other.balance, amount);
    }

    function test_withdraw_reverts_insufficientBalance() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientBalance.selector, 1000 ether, 1001 ether));
        vm.prank(owner);
        account.withdraw(address(0), payable(other), 1001 ether);
    }

    function test_withdraw_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.withdraw(address(token), payable(caller), 1);
    }
}
