// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

/// The rolling window through the real EntryPoint, which alone knows the time.
contract ValidateUserOpWindowTest is AccountTest {
    uint256 private constant W = 6 * BUCKET;
    uint256 private constant CAP = 10 ether;
    uint256 private constant EDGE = (START / BUCKET) * BUCKET + BUCKET;

    Grant private _terms;

    function setUp() public override {
        super.setUp();
        _terms = standardGrant();
        (_terms.perCall, _terms.perWindow) = (CAP, CAP);
        install(_terms);
    }

    function _pay(uint256 amount, uint256 validAfter, uint256 span) private returns (bool) {
        Draft memory d = draft(_terms);
        (d.amount, d.validAfter, d.span) = (amount, validAfter, span);
        return trySend(build(d));
    }

    function _payNow(uint256 amount) private returns (bool) {
        return _pay(amount, time - 1, 300);
    }

    function test_validateUserOp_windowSpansBucketEdges() public {
        warp(EDGE - 10);
        assertTrue(_payNow(4 ether) && _payNow(4 ether), "within the cap");
        assertTrue(!_payNow(4 ether), "over the cap");
        warp(EDGE + 10);
        assertTrue(!_payNow(4 ether), "over the cap across an edge");
        assertTrue(_payNow(2 ether), "up to the cap");
    }

    function test_validateUserOp_windowHoldsItsWholeLength() public {
        warp(EDGE + 1);
        assertTrue(_pay(CAP, EDGE - 1, 10), "first");
        warp(EDGE + 1 + W);
        assertTrue(!_payNow(1), "just at the window's length");
        assertTrue(!_pay(1, time - 300, 300), "claiming the past");
        assertTrue(!_pay(1, time - 1, 1), "claiming nothing ahead");
        warp(EDGE + 2 + W + BUCKET + 300);
        assertTrue(_payNow(CAP), "open again after one more bucket");
    }

    /// A claim that reaches into the next bucket must not lose what the present one still has to count.
    function test_validateUserOp_claimsAheadKeepHistory() public {
        warp(EDGE + 10);
        assertTrue(_payNow(6 ether), "first");
        warp(EDGE + W - 100);
        assertTrue(_payNow(4 ether), "second, charged to the next bucket");
        assertTrue(!_payNow(1), "window is full");
        assertTrue(!_pay(1, time - 1, 1), "also without reaching ahead");
        warp(EDGE + W + 10);
        assertTrue(!_payNow(1), "at the length");
    }

    function test_validateUserOp_claimAheadDoesNotLockOut() public {
        warp(EDGE - 1);
        assertTrue(_pay(1 ether, EDGE - 2, 300), "claims into the next bucket");
        assertTrue(_pay(1 ether, EDGE - 2, 1), "claims the present one");
        assertTrue(_pay(1 ether, EDGE - 300, 300), "claims its past");
    }

    /// Any payments, claims and times: no true span of the window's length ever holds more than the cap.
    function test_validateUserOp_windowIsSound(uint256 seed) public {
        uint256[] memory times = new uint256[](10);
        uint256[] memory amounts = new uint256[](10);
        for (uint256 i = 0; i < 10; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            warp(time + (seed % 3 == 0 ? (seed >> 8) & 511 : (seed >> 8) % (3 * BUCKET)));
            uint256 amount = (seed >> 64) % (CAP + 1);
            uint256 validAfter = time - 1 - ((seed >> 128) % 300);
            uint256 least = time - validAfter;
            if (!_pay(amount, validAfter, least + ((seed >> 160) % (301 - least)))) continue;
            (times[i], amounts[i]) = (time, amount);
            uint256 total = 0;
            for (uint256 j = 0; j <= i; ++j) {
                if (times[j] + W >= time) total += amounts[j];
            }
            assertTrue(total <= CAP, "overspent");
        }
    }

    function test_validateUserOp_reverts_windowTooOld() public {
        _terms.bucket = 300;
        _terms.salt = 2;
        install(_terms);
        uint256 edge = (START / 300) * 300 + 300;
        warp(edge + 1);
        assertTrue(_pay(1, edge, 300), "newest is the next bucket");
        Draft memory d = draft(_terms);
        d.validAfter = edge - 1;
        refused(d, abi.encodeWithSelector(ISpendPolicy.WindowTooOld.selector, edge / 300 - 1, edge / 300));
    }
}
