// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountTest, Draft} from "../base/AccountTest.sol";

contract CapCountersTest is AccountTest {
    /// The lane of now holds what was spent in the cap's own units, rounded up; the word is zero without a cap.
    function test_capCounters_countTheNewestBucket(uint256 amount) public {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        send(d);
        assertEq(account.capCounters(address(token)), 0);
        // 10 ether in 16 bits: units of 10^15.
        vm.prank(owner);
        account.setCap(address(token), 10 ether, BUCKET);
        d = draft(standardGrant());
        d.amount = bound(amount, 1, 5 ether);
        send(d);
        uint256 units = (d.amount + 1e15 - 1) / 1e15;
        assertEq(uint128(account.capCounters(address(token))), units);
        assertEq(account.capCounters(address(0)), 0);
    }

    /// A claim that ends in the bucket before the newest is charged there.
    function test_capCounters_countTheBucketBefore() public {
        install(standardGrant());
        vm.prank(owner);
        account.setCap(address(token), 10 ether, BUCKET);
        uint256 edge = (START / BUCKET + 1) * BUCKET;
        warp(edge - 10);
        _pay(1 ether, 300);
        _pay(2 ether, 5);
        assertEq(uint128(account.capCounters(address(token))), 1000 | (2000 << 16));
    }

    function _pay(uint256 amount, uint256 span) private {
        Draft memory d = draft(standardGrant());
        (d.amount, d.validAfter, d.span) = (amount, time - 1, span);
        send(d);
    }
}
