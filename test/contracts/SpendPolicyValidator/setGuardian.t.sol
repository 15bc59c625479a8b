// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract SetGuardianTest is ValidatorTest {
    function test_setGuardian_givesAndTakes(address guardian) public {
        for (uint256 i = 2; i > 0; --i) {
            vm.expectEmit(address(module));
            emit ISpendPolicy.GuardianSet(address(account), guardian, i == 2);
            vm.prank(owner);
            module.setGuardian(address(account), guardian, i == 2);
            assertTrue(module.isGuardian(address(account), guardian) == (i == 2), "guardian");
            assertTrue(!module.isGuardian(address(bare), guardian), "of another account");
        }
    }

    function test_setGuardian_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        module.setGuardian(address(account), caller, true);
    }
}
