// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

/// The word, put together by the table of `Counters`.
contract CountersTest is AccountTest {
    uint256 private constant UNIT = 1e15;
    /// Gas units of one operation: the gas limits of `unsigned`, at its gas price.
    uint256 private constant GAS_UNITS = (900_000 * GAS_PRICE) / 1e12;

    function test_counters_afterPayment(uint256 amount, uint256 span, uint256 leaves) public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        Draft memory d = draft(terms);
        d.amount = bound(amount, 0, terms.perCall);
        d.span = bound(span, 61, 300);
        d.size = bound(leaves, 1, type(uint32).max);
        send(d);
        uint256 charge = (d.amount + UNIT - 1) / UNIT;
        uint256 expected =
            charge |
                (((d.validAfter + d.span) / BUCKET) << 128) |
                (charge << 152) |
                (GAS_UNITS << 176) |
                (d.size << 200) |
                (uint256(1) << 248);
        assertEq(account.counters(policyId), expected);
    }

    /// Payments add up, in the lane of the bucket they fall in.
    function test_counters_afterPaymentInNextBucket(uint256 first, uint256 second) public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        Draft memory d = draft(terms);
        d.amount = bound(first, 0, terms.perCall);
        send(d);
        uint256 before = (d.amount + UNIT - 1) / UNIT;
        warp(time + BUCKET);
        d = draft(terms);
        d.amount = bound(second, 0, terms.perCall);
        send(d);
        uint256 charge = (d.amount + UNIT - 1) / UNIT;
        uint256 expected =
            charge |
                (before << 16) |
                (((d.validAfter + d.span) / BUCKET) << 128) |
                ((before + charge) << 152) |
                ((2 * GAS_UNITS) << 176) |
                (d.size << 200) |
                (uint256(1) << 248);
        assertEq(account.counters(policyId), expected);
    }

    function test_counters_ofPolicyNeverSeen(bytes32 policyId) public {
        vm.assume(policyId != install(standardGrant()));
        assertEq(account.counters(policyId), 0);
    }
}
