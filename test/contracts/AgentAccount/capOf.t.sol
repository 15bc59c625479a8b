// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountTest} from "../base/AccountTest.sol";

contract CapOfTest is AccountTest {
    /// What was set comes back to the unit, for this asset only; nothing set is nothing.
    function test_capOf_isWhatWasSet(uint16 digits, uint8 exponent, uint24 bucket) public {
        uint256 perWindow = uint256(bound(digits, 1, type(uint16).max)) * 10 ** bound(exponent, 0, 63);
        uint256 seconds_ = bound(bucket, 300, type(uint24).max);
        vm.prank(owner);
        account.setCap(address(token), perWindow, seconds_);
        (uint256 back, uint256 length) = account.capOf(address(token));
        assertEq(back, perWindow);
        assertEq(length, seconds_);
        (back, length) = account.capOf(address(0));
        assertEq(back | length, 0);
    }
}
