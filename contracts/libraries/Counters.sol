// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy, Status, Usage} from "../interfaces/ISpendPolicy.sol";

/// What the counters of a policy are kept in.
/// @param unit Base units of one unit.
/// @param gasUnit Wei of one gas unit.
/// @param bucket Length of a bucket in seconds.
struct Scale {
    uint256 unit;
    uint256 gasUnit;
    uint256 bucket;
}

/// The storage word of a policy. Bits, low to high:
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
/// carries into the neighbour. Caps come from `TermsLibrary.unpack`: perWindow is less than 2^16 units, lifetime and
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

    /// An amount in units, rounded up.
    /// @param unit A power of ten, never zero; `amount + unit` is below 2^256.
    function inUnits(uint256 amount, uint256 unit) internal pure returns (uint256 units) {
        // units = (amount + unit - 1) / unit, without the check that a power of ten is not zero
        assembly ("memory-safe") {
            units := div(add(amount, sub(unit, 1)), unit)
        }
    }

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
            (uint256 newest, uint256 ring, uint256 spent, uint256 lane) = _window(word, start, until, bucket);
            uint256 total = (spent + charge) * unit;
            if (total > cap) revert ISpendPolicy.OverWindow(total, cap);
            return ((word >> SPENT) << SPENT) | (newest << NEWEST) | (ring + (charge << lane));
        }
    }

    /// What `chargeWindow` would find in the window already, in units. The parameters are those.
    function inWindow(
        uint256 word,
        uint256 start,
        uint256 until,
        uint256 bucket
    ) internal pure returns (uint256 spent) {
        (, , spent, ) = _window(word, start, until, bucket);
    }

    /// Counts one operation, in a word of its own: the fields are the same, in units of one operation. The window is the
    /// grant's (`chargeWindow`).
    /// @param cap Most operations ever, below 2^24; 0: no limit.
    /// @param windowCap Most operations in a window, below 2^16; 0: no limit.
    function countOperation(
        uint256 word,
        uint256 start,
        uint256 until,
        uint256 bucket,
        uint256 cap,
        uint256 windowCap
    ) internal pure returns (uint256) {
        unchecked {
            if (cap != 0) {
                uint256 total = uint256(uint24(word >> SPENT)) + 1;
                if (total > cap) revert ISpendPolicy.TooManyOperations(total, cap);
                word += 1 << SPENT;
            }
            if (windowCap != 0) {
                (uint256 newest, uint256 ring, uint256 count, uint256 lane) = _window(
                    word,
                    start,
                    until,
                    bucket
                );
                if (++count > windowCap) revert ISpendPolicy.TooManyOperationsInWindow(count, windowCap);
                word = ((word >> SPENT) << SPENT) | (newest << NEWEST) | (ring + (1 << lane));
            }
            return word;
        }
    }

    /// Charges one payment to a rolling cap that is kept beside the grants' (`Caps`), whose word begins with the same ring.
    /// The parameters are those of `chargeWindow`.
    function chargeCap(
        uint256 word,
        uint256 start,
        uint256 until,
        uint256 bucket,
        uint256 charge,
        uint256 cap,
        uint256 unit,
        address asset
    ) internal pure returns (uint256) {
        unchecked {
            (uint256 newest, uint256 ring, uint256 spent, uint256 lane) = _window(word, start, until, bucket);
            uint256 total = (spent + charge) * unit;
            if (total > cap) revert ISpendPolicy.OverCap(asset, total, cap);
            return ((word >> SPENT) << SPENT) | (newest << NEWEST) | (ring + (charge << lane));
        }
    }

    /// The counters of one policy, carried over to another that takes its place: nothing spent is forgotten, and whatever has
    /// to be rounded is rounded up. With another bucket length everything that the ring still holds counts as spent now.
    /// @param word Counters of the old policy.
    /// @param from Units and bucket length of the old policy, `to` those of the new one.
    /// @param time Now, in unix seconds: no payment so far landed later.
    /// @return carried Counters without epoch and status, which are the caller's.
    function carry(
        uint256 word,
        Scale memory from,
        Scale memory to,
        uint256 time
    ) internal pure returns (uint256 carried) {
        carried = carryRing(word, from, to, time);
        carried |= _rescale(uint24(word >> SPENT), from.unit, to.unit, type(uint24).max) << SPENT;
        carried |= _rescale(uint24(word >> GAS), from.gasUnit, to.gasUnit, type(uint24).max) << GAS;
        carried |= uint256(uint32(word >> SIZE)) << SIZE;
    }

    /// The ring and its newest bucket alone, as `carry` does it.
    function carryRing(
        uint256 word,
        Scale memory from,
        Scale memory to,
        uint256 time
    ) internal pure returns (uint256 carried) {
        if (from.bucket != to.bucket) {
            uint256 sum = _rescale(_sum(uint128(word)), from.unit, to.unit, type(uint16).max);
            return ((time / to.bucket) << NEWEST) | sum;
        }
        carried = uint256(uint24(word >> NEWEST)) << NEWEST;
        for (uint256 lane = 0; lane < NEWEST; lane += LANE)
            carried |= _rescale(uint16(word >> lane), from.unit, to.unit, type(uint16).max) << lane;
    }

    /// The word without the size of the decision tree: another agent has a tree of its own.
    function withoutSize(uint256 word) internal pure returns (uint256) {
        return word & ~(uint256(type(uint32).max) << SIZE);
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

    /// The window that an operation falls into.
    /// @return newest Number of the newest bucket, this operation's included.
    /// @return ring The lanes, with the newest bucket lowest.
    /// @return spent What was charged to buckets from that of (start - W) on, in units.
    /// @return lane Position, in bits, of the lane to charge.
    function _window(
        uint256 word,
        uint256 start,
        uint256 until,
        uint256 bucket
    ) private pure returns (uint256 newest, uint256 ring, uint256 spent, uint256 lane) {
        unchecked {
            newest = uint24(word >> NEWEST);
            ring = uint128(word);
            (uint256 startBucket, uint256 chargedBucket) = (
                _bucketOf(start, bucket),
                _bucketOf(until, bucket)
            );

            if (chargedBucket > newest) {
                // Old buckets fall off the high end. A shift by 256 or more leaves zero.
                ring = uint128(ring << ((chargedBucket - newest) * LANE));
                newest = chargedBucket;
            }
            // The oldest bucket needed is startBucket - 6, the oldest held is newest - 7.
            if (startBucket + 1 < newest) revert ISpendPolicy.WindowTooOld(startBucket, newest - 1);

            // From startBucket - 6 to newest: 7 or 8 lanes, as newest is startBucket or startBucket + 1.
            uint256 lanes = newest - startBucket + BUCKETS_PER_WINDOW + 1;
            spent = _sum(ring & ((1 << (lanes * LANE)) - 1));
            lane = (newest - chargedBucket) * LANE;
        }
    }

    /// Number of the bucket of a time. No policy in force has buckets of no length (`SpendPolicy.install`).
    function _bucketOf(uint256 time, uint256 bucket) private pure returns (uint256 index) {
        // index = time / bucket, without the check that 300 or more is not zero
        assembly ("memory-safe") {
            index := div(time, bucket)
        }
    }

    /// An amount in other units, rounded up; `max` if it is more than that, which no cap exceeds. What once was `max` may have been
    /// more, so it stays: narrow terms in between forget nothing.
    function _rescale(uint256 amount, uint256 from, uint256 to, uint256 max) private pure returns (uint256) {
        if (amount >= max) return max;
        uint256 scaled = (amount * from + to - 1) / to;
        return scaled > max ? max : scaled;
    }

    /// Sum of 8 lanes of 16 bits: four pairs of lanes in 32 bits each, then the digit sum in base 2^32, which is the remainder
    /// by 2^32 - 1, as the sum is smaller than that.
    function _sum(uint256 ring) private pure returns (uint256) {
        unchecked {
            return ((ring & EVEN_LANES) + ((ring >> LANE) & EVEN_LANES)) % type(uint32).max;
        }
    }
}
