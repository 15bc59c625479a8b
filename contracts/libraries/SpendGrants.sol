// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant, ISpendGrant} from "../interfaces/ISpendGrant.sol";
import {ISpendPolicy} from "../interfaces/ISpendPolicy.sol";
import {Counters} from "./Counters.sol";

/// A grant as it is worked with: the words of its EIP-712 encoding, one after the other. What was approved has no more bits in
/// any of them than its field has, because `open` read each one; until a grant is known to be approved, they can be anything.
/// @param typehash `SpendGrants.TYPEHASH`.
/// @param payees keccak256 of the list of payees.
/// @param anyPayee 0 or 1.
struct SpendWords {
    bytes32 typehash;
    address account;
    address agent;
    address agentKey;
    address token;
    uint256 perCall;
    uint256 perWindow;
    uint256 window;
    uint256 total;
    uint256 validAfter;
    uint256 validUntil;
    bytes32 payees;
    uint256 anyPayee;
    uint256 epoch;
    uint256 salt;
    bytes32 purpose;
    bytes32 policyHash;
}

/// A grant's EIP-712 hash, which grants can work, and what a spend does to a grant's counters: the word of `Counters`, in which
/// the exponent of the unit stands where a policy has its gas.
library SpendGrants {
    using Counters for uint256;

    bytes32 internal constant TYPEHASH = keccak256(
        "AgentSpendGrant(address account,address agent,address agentKey,address token,uint160 perCall,uint160 perWindow,"
        "uint48 window,uint160 total,uint48 validAfter,uint48 validUntil,address[] payees,bool anyPayee,uint64 epoch,"
        "uint256 salt,string purpose,bytes32 policyHash)"
    );

    /// Longest validity and longest window, in seconds.
    uint256 internal constant MAX_SPAN = 90 days;
    /// Six of the law's shortest buckets, in seconds: a bucket's number has 24 bits.
    uint256 internal constant MIN_WINDOW = 1800;
    uint256 internal constant BUCKETS_PER_WINDOW = 6;
    uint256 internal constant MAX_PAYEES = 32;

    /// Place of the exponent in the word, 6 bits.
    uint256 private constant EXPONENT = 176;

    /// The words of a grant. They lie in calldata as abi.encode would write them, but for the type and the payees.
    function read(AgentSpendGrant calldata grant) internal pure returns (SpendWords memory) {
        SpendWords[] memory list;
        address[] calldata payees = grant.payees;
        bytes32 typehash = TYPEHASH;
        // words.typehash = typehash, words.payees = keccak256(abi.encodePacked(payees)), the others as they are: into memory
        // that was not cleared before
        assembly ("memory-safe") {
            list := mload(0x40)
            let words := add(list, 0x40)
            let length := shl(5, payees.length)
            calldatacopy(words, payees.offset, length)
            let payeesHash := keccak256(words, length)
            mstore(list, 1)
            mstore(add(list, 0x20), words)
            mstore(words, typehash)
            calldatacopy(add(words, 0x20), grant, 0x200)
            mstore(add(words, 0x160), payeesHash)
            mstore(0x40, add(words, 0x220))
        }
        return list[0];
    }

    /// EIP-712 hashStruct(AgentSpendGrant).
    function hash(SpendWords memory words) internal pure returns (bytes32 structHash) {
        // structHash = keccak256(abi.encode(words))
        assembly ("memory-safe") {
            structHash := keccak256(words, 0x220)
        }
    }

    /// Counters of a grant that comes into force now, or an error if it is one that can't work.
    function open(AgentSpendGrant calldata grant) internal view returns (uint256 word) {
        address account = grant.account;
        if (account == address(0) || account == address(this) || account == grant.agent)
            revert ISpendGrant.AccountNotAllowed(account);
        if (grant.agent == address(0) || grant.agentKey == address(0)) revert ISpendPolicy.ZeroAgent();
        if (grant.token.code.length == 0) revert ISpendGrant.TokenNotAllowed(grant.token);
        uint256 window = grant.window;
        if (window % BUCKETS_PER_WINDOW != 0 || window < MIN_WINDOW || window > MAX_SPAN)
            revert ISpendGrant.WindowNotAllowed(window);
        (uint256 start, uint256 end) = (grant.validAfter, grant.validUntil);
        if (end <= start || end - start > MAX_SPAN || end > type(uint32).max)
            revert ISpendGrant.ValidityNotAllowed(start, end);
        if (block.timestamp > end) revert ISpendPolicy.Expired(block.timestamp, end);
        _requirePayees(grant);
        return (_exponentOf(grant.perCall, grant.perWindow, grant.total) << EXPONENT).granted(0);
    }

    /// Refuses a payee that the grant does not allow.
    /// @param payees The grant's, whose hash is among the words.
    function requirePayee(SpendWords memory words, address[] calldata payees, address payee) internal view {
        bool found;
        if (words.anyPayee != 0) {
            found = payee != address(0) && payee != address(this) && payee != words.account;
        } else {
            // for (uint256 i = 0; i < payees.length; ++i) if (payees[i] == payee) found = true, up to the first
            assembly ("memory-safe") {
                let at := payees.offset
                for {
                    let end := add(at, shl(5, payees.length))
                } lt(at, end) {
                    at := add(at, 0x20)
                } {
                    if eq(calldataload(at), payee) {
                        found := 1
                        break
                    }
                }
            }
        }
        if (!found) revert ISpendPolicy.PayeeNotAllowed(payee);
    }

    /// Refuses the present unless the grant is valid.
    function requireInTime(SpendWords memory words) internal view {
        if (block.timestamp <= words.validAfter)
            revert ISpendGrant.NotYetValid(block.timestamp, words.validAfter);
        if (block.timestamp > words.validUntil)
            revert ISpendPolicy.Expired(block.timestamp, words.validUntil);
    }

    /// The counters with one more spend, or the limit that it breaks.
    function charge(uint256 word, SpendWords memory words, uint256 amount) internal view returns (uint256) {
        unchecked {
            if (amount > words.perCall) revert ISpendPolicy.OverPerCall(amount, words.perCall);
            uint256 unit = _unitOf(word);
            uint256 units = amount.inUnits(unit);
            word = word.chargeLifetime(units, words.total, unit);
            return
                word.chargeWindow(
                    block.timestamp - 1,
                    block.timestamp,
                    words.window / BUCKETS_PER_WINDOW,
                    units,
                    words.perWindow,
                    unit
                );
        }
    }

    /// What was spent, ever and in the window that ends now. Base units, each spend rounded up.
    function spentOf(
        uint256 word,
        SpendWords memory words
    ) internal view returns (uint256 ever, uint256 inWindow) {
        uint256 unit = _unitOf(word);
        uint256 units = word.inWindow(
            block.timestamp - 1,
            block.timestamp,
            words.window / BUCKETS_PER_WINDOW
        );
        return (word.decode().spent * unit, units * unit);
    }

    function _requirePayees(AgentSpendGrant calldata grant) private view {
        address[] calldata payees = grant.payees;
        if (grant.anyPayee == (payees.length != 0))
            revert ISpendGrant.PayeesNotClear(payees.length, grant.anyPayee);
        if (payees.length > MAX_PAYEES) revert ISpendGrant.TooManyPayees(payees.length, MAX_PAYEES);
        address last = address(0);
        for (uint256 i = 0; i < payees.length; ++i) {
            if (payees[i] <= last) revert ISpendGrant.PayeesNotAscending(i);
            last = payees[i];
            if (last == address(this) || last == grant.account) revert ISpendPolicy.PayeeNotAllowed(last);
        }
    }

    /// The smallest exponent with which the limits fit, as the law has it; or an error if they don't without rounding.
    function _exponentOf(
        uint256 perCall,
        uint256 perWindow,
        uint256 total
    ) private pure returns (uint256 exponent) {
        if (perCall == 0 || perCall > perWindow || perWindow > total)
            revert ISpendGrant.LimitsNotAllowed(perCall, perWindow, total);
        uint256 unit = 1;
        // perCall is at most perWindow; and 160 bits fit after at most 44 steps.
        while (perWindow / unit > type(uint16).max || total / unit > type(uint24).max)
            (exponent, unit) = (exponent + 1, unit * 10);
        if (perCall % unit != 0 || perWindow % unit != 0 || total % unit != 0)
            revert ISpendGrant.LimitsNotRepresentable(perCall, perWindow, total);
    }

    /// Base units of one unit of the counters.
    function _unitOf(uint256 word) private pure returns (uint256) {
        unchecked {
            return 10 ** ((word >> EXPONENT) & 0x3f);
        }
    }
}
