// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ValidatorTest} from "../base/ValidatorTest.sol";

contract IsModuleTypeTest is ValidatorTest {
    function test_isModuleType(uint256 moduleTypeId) public view {
        for (uint256 i = 0; i < 10; ++i)
            assertTrue(module.isModuleType(i) == (i == VALIDATOR || i == HOOK), "type");
        assertTrue(
            module.isModuleType(moduleTypeId) == (moduleTypeId == VALIDATOR || moduleTypeId == HOOK),
            "type"
        );
    }
}
