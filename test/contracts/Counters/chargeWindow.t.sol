// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Counters} from "../../../contracts/libraries/Counters.sol";
import {Test} from "../base/Test.sol";

contract CountersHarness {
    using Counters for uint256;

    function chargeWindow(
        uint256 word,
        uint256 start,
        uint256 until,
        uint256 bucket,
        uint256 charge,
        uint256 cap,
        uint256 unit
    ) external pure returns (uint256) {
        return word.chargeWindow(start, until, bucket, charge, cap, unit);
    }
}

/// The rolling window against a naive one that knows the times.
contract ChargeWindowTest is Test {
    uint256 private constant STEPS = 60;
    uint256 private constant START = 1_800_000_000;

    CountersHarness private immutable counters = new CountersHarness();

    struct Payment {
        uint256 time;
        uint256 amount;
    }

    Payment[] private _paid;

    /// All that was paid at or after `since`.
    function _sum(uint256 since) private view returns (uint256 total) {
        for (uint256 i = 0; i < _paid.length; ++i) {
            if (_paid[i].time >= since) total += _paid[i].amount;
        }
    }

    function _lanes(uint256 word) private pure returns (uint256 highest) {
        for (uint256 i = 0; i < 8; ++i) {
            uint256 lane = uint16(word >> (16 * i));
            if (lane > highest) highest = lane;
        }
    }

    /// Claims of any shape at any times: no true span of 6 buckets ever holds more than the cap, no lane ever overflows,
    /// and nothing above the ring changes. A claim that starts a second ago is served whenever a window longer by one
    /// bucket and ten minutes has room.
    function test_chargeWindow_isSound(uint256 seed, uint256 bucket, uint256 cap, uint256 above) public {
        bucket = bound(bucket, 300, seed % 3 == 0 ? 400 : 100_000);
        cap = bound(cap, 1, seed % 5 == 0 ? 65_535 : 60);
        uint256 word = above << 152;
        uint256 time = START;
        for (uint256 i = 0; i < STEPS; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            time += _pause(seed, bucket);
            // The EntryPoint enforces start < time <= until, the law until <= start + 300.
            uint256 start = time - 1 - ((seed >> 32) % 300);
            uint256 until = time + ((seed >> 64) % (start + 300 - time + 1));
            bool late = (seed >> 96) % 4 == 0;
            if (late) start = time - 1;
            uint256 amount = (seed >> 128) % 3 == 0 ? cap : (seed >> 160) % (cap + 1);
            try counters.chargeWindow(word, start, until, bucket, amount, cap, 1) returns (uint256 next) {
                word = next;
                _paid.push(Payment(time, amount));
                assertTrue(_sum(time - 6 * bucket) <= cap, "overspent");
                assertTrue(_lanes(word) <= cap, "lane above cap");
                assertEq((word >> 152) << 152, above << 152);
            } catch (bytes memory reason) {
                if (!late) continue;
                assertEq(bytes32(bytes4(reason)), bytes32(ISpendPolicy.OverWindow.selector));
                assertTrue(_sum(time - 7 * bucket - 600) + amount > cap, "refused with room in the window");
            }
        }
    }

    /// Pauses of all sizes, and often right to an edge.
    function _pause(uint256 seed, uint256 bucket) private pure returns (uint256) {
        uint256 kind = (seed >> 8) % 8;
        if (kind == 0) return 0;
        if (kind == 1) return (seed >> 200) % 3;
        if (kind == 2) return bucket;
        if (kind == 3) return 6 * bucket - ((seed >> 200) % 302);
        if (kind == 4) return 6 * bucket + ((seed >> 200) % 302);
        if (kind == 5) return (seed >> 200) % (9 * bucket);
        return (seed >> 200) % (2 * bucket);
    }

    /// At the cap in every bucket of the window, at the greatest values that terms can hold.
    function test_chargeWindow_reachesItsCap() public {
        uint256 unit = 10 ** 63;
        uint256 word;
        for (uint256 i = 0; i < 7; ++i) {
            uint256 time = (START / 300) * 300 + 300 * i + 150;
            word = counters.chargeWindow(word, time, time, 300, i == 6 ? 9363 : 9362, 65_535 * unit, unit);
        }
        uint256 end = (START / 300) * 300 + 300 * 6 + 150;
        vm.expectRevert(
            abi.encodeWithSelector(ISpendPolicy.OverWindow.selector, 65_536 * unit, 65_535 * unit)
        );
        counters.chargeWindow(word, end, end, 300, 1, 65_535 * unit, unit);
    }

    function test_chargeWindow_reverts_windowTooOld() public {
        uint256 now_ = (START / 300) * 300;
        uint256 word = counters.chargeWindow(0, now_ + 1, now_ + 301, 300, 1, 10, 1);
        // Two buckets behind the newest: the ring no longer reaches back a whole window.
        vm.expectRevert(
            abi.encodeWithSelector(ISpendPolicy.WindowTooOld.selector, now_ / 300 - 1, now_ / 300)
        );
        counters.chargeWindow(word, now_ - 1, now_ + 1, 300, 1, 10, 1);
        counters.chargeWindow(word, now_, now_ + 1, 300, 1, 10, 1);
    }

    /// Any gap clears the ring, and the last second that a claim can name still fits.
    function test_chargeWindow_atTheEndOfTime(uint256 gap) public view {
        uint256 end = type(uint32).max;
        uint256 from = end - bound(gap, 8 * 300, end - 300);
        uint256 word = counters.chargeWindow(0, from, from, 300, 9, 10, 1);
        word = counters.chargeWindow(word, end - 300, end, 300, 10, 10, 1);
        assertEq(uint24(word >> 128), end / 300);
        assertEq(uint128(word), 10);
    }
}
