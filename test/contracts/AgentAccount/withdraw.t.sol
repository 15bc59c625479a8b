// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

/// Says no without reverting, as some tokens do.
contract RefusingToken {
    function transfer(address, uint256) external pure returns (bool) {
        return false;
    }
}

/// Takes no coin.
contract Unpayable {}

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

    /// Nothing that did not move is reported as withdrawn.
    function test_withdraw_reverts_tokenSaysNo(uint256 amount) public {
        RefusingToken refusing = new RefusingToken();
        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(refusing))
        );
        vm.prank(owner);
        account.withdraw(address(refusing), payable(other), amount);
    }

    function test_withdraw_reverts_noToken() public {
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, other));
        vm.prank(owner);
        account.withdraw(other, payable(other), 1);
    }

    function test_withdraw_reverts_recipientTakesNoCoin() public {
        Unpayable unpayable = new Unpayable();
        vm.expectRevert(abi.encodeWithSelector(Errors.FailedCall.selector));
        vm.prank(owner);
        account.withdraw(address(0), payable(address(unpayable)), 1);
    }
}
