// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ValidatorTest} from "../base/ValidatorTest.sol";

contract DecisionLogViewTest is ValidatorTest {
    function test_decisionLog() public view {
        assertEq(module.decisionLog(), address(log));
    }
}
