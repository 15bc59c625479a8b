// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract WithdrawDepositTest is AccountTest {
    function test_withdrawDeposit_sends(uint256 amount) public {
        amount = bound(amount, 0, 100 ether);
        vm.expectEmit(address(account));
        emit IAgentAccount.DepositWithdrawn(other, amount);
        vm.prank(owner);
        account.withdrawDeposit(payable(other), amount);
        assertEq(other.balance, amount);
        assertEq(entryPoint.balanceOf(address(account)), 100 ether - amount);
    }

    function test_withdrawDeposit_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.withdrawDeposit(payable(caller), 1);
    }
}
