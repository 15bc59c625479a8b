// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract FreezeTest is ValidatorTest {
    function test_freeze_byOwnerAccountAndGuardian() public {
        install(standardGrant());
        vm.prank(owner);
        module.setGuardian(address(account), other, true);
        address[3] memory callers = [owner, address(account), other];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectEmit(address(module));
            emit ISpendPolicy.AccountFrozen(address(account), callers[i]);
            vm.prank(callers[i]);
            module.freeze(address(account));
            assertTrue(module.frozen(address(account)), "not frozen");
            refused(draft(standardGrant()), frozenError());
            vm.prank(owner);
            module.unfreeze(address(account));
        }
        send(draft(standardGrant()));
    }

    /// A guardian of one account is none of another.
    function test_freeze_reverts_guardianOfAnother() public {
        vm.prank(owner);
        module.setGuardian(address(account), other, true);
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.NotGuardian.selector, other));
        vm.prank(other);
        module.freeze(address(bare));
    }

    function test_freeze_neverFails() public {
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(owner);
            module.freeze(address(account));
        }
        assertTrue(!module.frozen(address(bare)), "froze another");
    }

    function test_freeze_reverts_notGuardian(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.NotGuardian.selector, caller));
        vm.prank(caller);
        module.freeze(address(account));
    }
}
