// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract UnfreezeTest is ValidatorTest {
    function test_unfreeze_letsAgentsAct() public {
        install(standardGrant());
        vm.prank(owner);
        module.freeze(address(account));
        vm.expectEmit(address(module));
        emit ISpendPolicy.AccountUnfrozen(address(account));
        vm.prank(owner);
        module.unfreeze(address(account));
        assertTrue(!module.frozen(address(account)), "frozen");
        send(draft(standardGrant()));
    }

    function test_unfreeze_reverts_guardian() public {
        vm.prank(owner);
        module.setGuardian(address(account), other, true);
        vm.expectRevert(notOwner(other));
        vm.prank(other);
        module.unfreeze(address(account));
    }

    function test_unfreeze_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        module.unfreeze(address(account));
    }
}
