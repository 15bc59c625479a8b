// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract FreezeTest is AccountTest {
    function test_freeze_stopsAgents() public {
        Grant memory terms = standardGrant();
        install(terms);
        vm.expectEmit(address(account));
        emit ISpendPolicy.AccountFrozen(address(account), owner);
        vm.prank(owner);
        account.freeze();
        assertTrue(account.frozen(), "not frozen");
        refused(draft(terms), abi.encodeWithSelector(ISpendPolicy.Frozen.selector));
    }

    function test_freeze_neverFails() public {
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(owner);
            account.freeze();
        }
        assertTrue(account.frozen(), "not frozen");
    }

    function test_freeze_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.freeze();
    }
}
