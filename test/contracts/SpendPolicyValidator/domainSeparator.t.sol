// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ValidatorTest} from "../base/ValidatorTest.sol";

contract DomainSeparatorTest is ValidatorTest {
    function test_domainSeparator(address account_) public view {
        bytes32 expected = keccak256(
            abi.encodePacked(hex"1901", module.domainSeparator(account_), bytes32(0))
        );
        assertEq(expected, digest(module, account_, 0));
    }
}
