// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ValidatorTest} from "../base/ValidatorTest.sol";

contract PostCheckTest is ValidatorTest {
    function test_postCheck_doesNothing(bytes calldata data) public view {
        module.postCheck(data);
    }
}
