// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../interfaces/ISpendPolicy.sol";
import {Counters, Scale} from "./Counters.sol";

/// The one storage word of a rolling cap over all agents of an account, for one asset. Bits, low to high:
///
/// | bits | field |
/// | --- | --- |
/// | 0–127 | ring, as in `Counters` |
/// | 128–151 | number of the newest bucket |
/// | 152–167 | cap, in units |
/// | 168–173 | exponent: a unit is 10^exponent base units |
/// | 174–197 | length of a bucket in seconds; 0: there is no cap |
library Caps {
    using Counters for uint256;

    uint256 private constant CAP = 152;
    uint256 private constant EXPONENT = 168;
    uint256 private constant BUCKET = 174;
    uint256 private constant MIN_BUCKET = 300;

    /// Whether there is a cap.
    function isSet(uint256 word) internal pure returns (bool) {
        return word != 0;
    }

    /// The cap and its bucket length, as they were set.
    function decode(uint256 word) internal pure returns (uint256 perWindow, uint256 bucket) {
        return (uint16(word >> CAP) * 10 ** (uint8(word >> EXPONENT) & 0x3f), uint24(word >> BUCKET));
    }

    /// The word with another cap. What was spent so far still counts.
    /// @param perWindow Base units, with the smallest exponent that fits 16 bits.
    /// @param bucket Seconds, 300 to 2^24 - 1.
    /// @param time Now, in unix seconds.
    function changed(
        uint256 word,
        uint256 perWindow,
        uint256 bucket,
        uint256 time
    ) internal pure returns (uint256) {
        uint256 exponent = 0;
        uint256 unit = 1;
        while (perWindow / unit > type(uint16).max) (exponent, unit) = (exponent + 1, unit * 10);
        if (exponent > 63 || perWindow % unit != 0 || bucket < MIN_BUCKET || bucket > type(uint24).max)
            revert ISpendPolicy.CapNotRepresentable(perWindow, bucket);
        uint256 ring = 0;
        if (isSet(word)) {
            Scale memory from = Scale(10 ** (uint8(word >> EXPONENT) & 0x3f), 1, uint24(word >> BUCKET));
            ring = word.carryRing(from, Scale(unit, 1, bucket), time);
        }
        return (bucket << BUCKET) | (exponent << EXPONENT) | ((perWindow / unit) << CAP) | ring;
    }

    /// Charges one payment, or reverts with `OverCap`.
    /// @param start, until The operation's claim, as in `Counters.chargeWindow`.
    /// @param amount Base units, within the cap of some grant, hence below 2^226.
    function charge(
        uint256 word,
        uint256 start,
        uint256 until,
        uint256 amount,
        address asset
    ) internal pure returns (uint256) {
        unchecked {
            uint256 unit = 10 ** (uint8(word >> EXPONENT) & 0x3f);
            uint256 units = amount.inUnits(unit);
            uint256 cap = uint16(word >> CAP) * unit;
            return word.chargeCap(start, until, uint24(word >> BUCKET), units, cap, unit, asset);
        }
    }
}
