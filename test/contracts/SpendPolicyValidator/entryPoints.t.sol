// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ValidatorTest} from "../base/ValidatorTest.sol";

contract EntryPointsTest is ValidatorTest {
    function test_entryPoints() public view {
        address[3] memory all = module.entryPoints();
        assertEq(all[0], address(0x70));
        assertEq(all[1], address(entryPoint));
        assertEq(all[2], address(0x90));
    }
}
