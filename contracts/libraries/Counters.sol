// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy, Status, Usage} from "../interfaces/ISpendPolicy.sol";

/// The one storage word of a policy. Bits, low to high:
///
/// | bits | field |
/// | --- | --- |
/// | 0–127 | ring: 8 lanes of 16, amount charged per bucket in units; the newest bucket in the lowest lane |
/// | 128–151 | number of the newest bucket: unix time / bucket length |
/// | 152–175 | amount charged so far, in units |
/// | 176–199 | gas charged so far, in gas units |
/// | 200–231 | size of the decision tree last committed |
/// | 232–247 | epoch of the account in which the policy was granted |
/// | 248–255 | status: 0 unknown, 1 granted, 2 revoked |
///
/// Every function checks a field's cap before it adds to the field, and no cap is wider than its field; so nothing ever
/// carries into the neighbour. Caps come from `SpendPolicy.unpackTerms`: perWindow is less than 2^16 units, lifetime and
/// gasBudget less than 2^24. That, and units of at most 10^63, is also why nothing in here needs checked arithmetic.
library Counters {
    uint256 private constant NEWEST = 128;
    uint256 private constant SPENT = 152;
    uint256 private constant GAS = 176;
    uint256 private constant SIZE = 200;
    uint256 private constant EPOCH = 232;
    uint256 private constant STATUS = 248;

    uint256 private constant LANE = 16;
    uint256 private constant EVEN_LANES = 0x0000ffff0000ffff0000ffff0000ffff;

    /// Length of the rolling window in buckets.
    uint256 private constant BUCKETS_PER_WINDOW = 6;

    /// Whether the policy is granted in this very epoch.
    function isLive(uint256 word, uint256 epoch) internal pure returns (bool) {
        return word >> EPOCH == ((uint256(Status.Granted) << 16) | epoch);
    }

    /// The word with status granted in `epoch` (16 bits). All counters stay: granting again never gives anything back.
    function granted(uint256 word, uint256 epoch) internal pure returns (uint256) {
        return uint256(uint232(word)) | (epoch << EPOCH) | (uint256(Status.Granted) << STATUS);
    }

    /// The word with status revoked. The rest stays for readers.
    function revoked(uint256 word) internal pure returns (uint256) {
        return uint256(uint248(word)) | (uint256(Status.Revoked) << STATUS);
    }

    function statusOf(uint256 word) internal pure returns (Status) {
        return Status(word >> STATUS);
    }

    /// Notes the size of the decision tree: it has to grow, or decisions could be replaced.
    /// @param size New number of leaves, 32 bits.
    function growTree(uint256 word, uint256 size) internal pure returns (uint256) {
        uint256 stored = uint32(word >> SIZE);
        if (size <= stored) revert ISpendPolicy.StaleSize(size, stored);
        unchecked {
            return word + ((size - stored) << SIZE);
        }
    }

    /// Charges the cost of one operation to the gas budget.
    /// @param charge Cost in gas units, rounded up, at most 2^24.
    /// @param cap Gas budget in wei: less than 2^24 gas units, and a whole number of them.
    /// @param unit Wei of one gas unit.
    function chargeGas(
        uint256 word,
        uint256 charge,
        uint256 cap,
        uint256 unit
    ) internal pure returns (uint256) {
        unchecked {
            uint256 total = (uint24(word >> GAS) + charge) * unit;
            if (total > cap) revert ISpendPolicy.OverGasBudget(total, cap);
            return word + (charge << GAS);
        }
    }

    /// Charges one payment to the lifetime cap.
    /// @param charge Amount in units, rounded up, 16 bits.
    /// @param cap Lifetime cap in base units: less than 2^24 units, and a whole number of them.
    /// @param unit Base units of one unit.
    function chargeLifetime(
        uint256 word,
        uint256 charge,
        uint256 cap,
        uint256 unit
    ) internal pure returns (uint256) {
        unchecked {
            uint256 total = (uint24(word >> SPENT) + charge) * unit;
            if (total > cap) revert ISpendPolicy.OverLifetime(total, cap);
            return word + (charge << SPENT);
        }
    }

    /// Charges one payment to the rolling window W = 6 buckets, without knowing the time: validation may not read it
    /// (ERC-7562 OP-011), but the EntryPoint makes sure that an operation lands at some t with start < t <= until.
    ///
    /// The amount is charged to the bucket of `until`. It is refused if everything charged to buckets from that of
    /// (start - W) on, plus itself, exceeds the cap.
    ///
    /// Sound: take any span [t - W, t] that ends with an operation, landed at t. Each earlier one in it landed at some
    /// s >= t - W and was charged to a bucket at or after that of s (its until >= s), hence at or after that of t - W, hence at
    /// or after that of (start - W), since start < t. No such bucket was dropped: the ring holds the newest bucket and the
    /// seven before it, and the operation is refused when that of (start - W) is older than those. So every one is in the
    /// sum, and the sum is within the cap. Any other span of length W is no worse than the one that ends with its last
    /// operation.
    ///
    /// Live: an operation that landed at s <= t has until <= s + 299, so the newest bucket is at most one after that of
    /// t - 1 (buckets last at least 300 s). A claim with start = t - 1 is therefore always served: nobody can push the ring so
    /// far that the present is refused. Money comes back between W and W + one bucket + 300 s.
    ///
    /// Fits: the charged bucket is part of the sum, so a lane never exceeds the cap, which has 16 bits. A bucket number has
    /// 24 bits: until < 2^32 and a bucket has at least 300 s.
    /// @param start Start of the claim, in unix seconds.
    /// @param until End of the claim in unix seconds, 32 bits, at most 300 after the start.
    /// @param bucket Length of a bucket in seconds, at least 300.
    /// @param charge Amount in units, rounded up, 16 bits.
    /// @param cap Window cap in base units: less than 2^16 units, and a whole number of them.
    /// @param unit Base units of one unit.
    function chargeWindow(
        uint256 word,
        uint256 start,
        uint256 until,
        uint256 bucket,
        uint256 charge,
        uint256 cap,
        uint256 unit
    ) internal pure returns (uint256) {
        unchecked {
            uint256 newest = uint24(word >> NEWEST);
            uint256 ring = uint128(word);
            uint256 startBucket = start / bucket;
            uint256 chargedBucket = until / bucket;

            if (chargedBucket > newest) {
                // Old buckets fall off the high end. A shift by 256 or more leaves zero.
                ring = uint128(ring << ((chargedBucket - newest) * LANE));
                newest = chargedBucket;
            }
            // The oldest bucket needed is startBucket - 6, the oldest held is newest - 7.
            if (startBucket + 1 < newest) revert ISpendPolicy.WindowTooOld(startBucket, newest - 1);

            // From startBucket - 6 to newest: 7 or 8 lanes, as newest is startBucket or startBucket + 1.
            uint256 lanes = newest - startBucket + BUCKETS_PER_WINDOW + 1;
            uint256 total = (_sum(ring & ((1 << (lanes * LANE)) - 1)) + charge) * unit;
            if (total > cap) revert ISpendPolicy.OverWindow(total, cap);

            ring += charge << ((newest - chargedBucket) * LANE);
            return ((word >> SPENT) << SPENT) | (newest << NEWEST) | ring;
        }
    }

    /// The word in readable fields.
    function decode(uint256 word) internal pure returns (Usage memory usage) {
        usage.status = statusOf(word);
        usage.epoch = uint16(word >> EPOCH);
        usage.size = uint32(word >> SIZE);
        usage.gasSpent = uint24(word >> GAS);
        usage.spent = uint24(word >> SPENT);
        usage.newestBucket = uint24(word >> NEWEST);
        for (uint256 i = 0; i < 8; ++i) usage.ring[i] = uint16(word >> (i * LANE));
    }

    /// Sum of 8 lanes of 16 bits: four pairs of lanes in 32 bits each, then the digit sum in base 2^32, which is the remainder
    /// by 2^32 - 1, as the sum is smaller than that.
    function _sum(uint256 ring) private pure returns (uint256) {
        unchecked {
            return ((ring & EVEN_LANES) + ((ring >> LANE) & EVEN_LANES)) % type(uint32).max;
        }
    }
}
