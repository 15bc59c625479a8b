// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ValidatorTest} from "../base/ValidatorTest.sol";

contract IsInitializedTest is ValidatorTest {
    /// True from the first type that is installed to the last that is not any more.
    function test_isInitialized() public {
        assertTrue(!module.isInitialized(address(this)), "before");
        module.onInstall("");
        assertTrue(module.isInitialized(address(this)), "as validator");
        module.onInstall("");
        module.onUninstall("");
        assertTrue(module.isInitialized(address(this)), "as one of two");
        module.onUninstall("");
        assertTrue(!module.isInitialized(address(this)), "after");
        assertTrue(module.isInitialized(address(bare)) && module.isInitialized(address(hooked)), "others");
    }
}
