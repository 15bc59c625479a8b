// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract UnfreezeTest is AccountTest {
    function test_unfreeze_letsAgentsActAgain() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        uint256 before = account.counters(policyId);
        vm.prank(owner);
        account.freeze();
        vm.expectEmit(address(account));
        emit ISpendPolicy.AccountUnfrozen(address(account));
        vm.prank(owner);
        account.unfreeze();
        assertEq(account.counters(policyId), before);
        send(draft(terms));
    }

    function test_unfreeze_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.unfreeze();
    }
}
