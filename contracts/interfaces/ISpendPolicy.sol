// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// What an owner lets one agent spend of one asset. These are the full values that the owner's wallet shows and signs;
/// `hashStruct(Grant)` is the policy's id, and the key of the only storage word the policy has.
/// @param agent Address of the agent's key. Never zero.
/// @param asset ERC-20 token, or zero for the native coin. Never the account, the EntryPoint or the DecisionLog.
/// @param payees Root of the tree of allowed payees (`PayeeTree`), or zero: nobody, the agent can only log decisions.
/// @param perCall Most that one operation may pay, in base units of `asset`, inclusive.
/// @param perWindow Most that may be paid in any span of `6 * bucket` seconds, in base units of `asset`, inclusive.
/// @param lifetime Most that may ever be paid, in base units of `asset`, inclusive. A new grant of the same id adds nothing.
/// @param bucket Length of one bucket of the rolling window in seconds, at least 300 (the longest claim).
/// @param gasBudget Most that all operations may cost in wei, each counted at its required prefund, inclusive.
/// @param feeCap Most that one operation may cost in wei, counted at its required prefund, inclusive.
/// @param expiry Last second at which an operation may run, unix time, inclusive.
/// @param salt Makes otherwise equal grants different, 20 bits. Used up by the first grant or by a revocation.
struct Grant {
    address agent;
    address asset;
    bytes32 payees;
    uint256 perCall;
    uint256 perWindow;
    uint256 lifetime;
    uint256 bucket;
    uint256 gasBudget;
    uint256 feeCap;
    uint256 expiry;
    uint256 salt;
}

/// Life of a policy id. It never goes back, so a salt works once.
enum Status {
    Unknown,
    Granted,
    Revoked
}

/// The packed counters of one policy, decoded. Amounts are in units of 10^exponent, gas in units of 10^gasExponent, where
/// both exponents follow from the grant (`ISpendPolicy`, "Terms").
/// @param status Unknown, granted or revoked. A grant only works while `epoch` is the account's epoch.
/// @param epoch Epoch of the account in which the policy was granted.
/// @param size Size of the decision tree that was last committed.
/// @param gasSpent Gas charged so far, in gas units, each operation rounded up.
/// @param spent Amount charged so far, in units, each operation rounded up.
/// @param newestBucket Number of the newest bucket: unix time divided by the bucket length.
/// @param ring Amounts charged to `newestBucket`, `newestBucket - 1`, …, `newestBucket - 7`, in units.
struct Usage {
    Status status;
    uint16 epoch;
    uint32 size;
    uint24 gasSpent;
    uint24 spent;
    uint24 newestBucket;
    uint16[8] ring;
}

/// The law: what an agent's operation may do, and how it can be refused.
///
/// Terms. A grant is never stored; its numbers travel with every operation as 24 bytes, high to low:
/// exponent 6 | perCall 16 | perWindow 16 | lifetime 24 | gasExponent 6 | gasBudget 24 | feeCap 24 | bucket 24 | expiry 32 | salt 20.
/// Amounts are mantissas times 10^exponent, gas figures mantissas times 10^gasExponent. Counters are kept in these units, so
/// a grant must have one exponent only: it is the smallest with which all three amounts (both gas figures) fit. Otherwise a
/// hostile agent would spend in coarse units and be counted in fine ones, under the same id.
///
/// Signature of an agent, big-endian:
///
/// | bytes | field |
/// | --- | --- |
/// | 0 | kind: 1 steady, 2 grant inside, 3 empty operation |
/// | 1–20 | agent |
/// | 21–84 | r, vs (EIP-2098) of the agent's `Operation` |
/// | 85–90 | validAfter 4, span 2: validUntil = validAfter + span |
/// | 91–126 | size 4, root 32 |
/// | 127–150 | terms |
/// | 151– | kind 1: payee proof, 32 each; kind 2: payee proof, 32 each, then owner's r, vs of `Install`; kind 3: asset 20, payees 32 |
///
/// EIP-712, domain {name "Bursar", version "1", chainId, verifyingContract: the account}: the owner signs
/// `Install(Grant grant,uint256 epoch)`, the agent `Operation(bytes32 userOpHash,bytes32 policyId,uint256 validAfter,uint256
/// validUntil,uint256 size,bytes32 root)`.
///
/// Calls. Default deny. The callData of kinds 1 and 2 is `execute(bytes32 mode, bytes executionCalldata)` with mode 0 and a
/// single ERC-20 `transfer(address,uint256)` without value, or a native transfer without data, encoded canonically and
/// nothing behind it. The callData of kind 3 is empty.
interface ISpendPolicy {
    /// One payment above the cap per call. Base units.
    error OverPerCall(uint256 actual, uint256 allowed);

    /// The rolling window would hold more than its cap, this payment included and rounded up. Base units.
    error OverWindow(uint256 actual, uint256 allowed);

    /// All payments together would exceed the cap, this one included and rounded up. Base units.
    error OverLifetime(uint256 actual, uint256 allowed);

    /// All operations together would exceed the gas budget, this one included and rounded up. Wei.
    error OverGasBudget(uint256 actual, uint256 allowed);

    /// Required prefund of one operation above its cap. Wei.
    error OverFeeCap(uint256 actual, uint256 allowed);

    /// The claim starts so far behind the newest bucket that the ring no longer holds its whole window. Bucket numbers:
    /// that of validAfter, and the oldest that is served.
    error WindowTooOld(uint256 actual, uint256 allowed);

    /// The claim reaches beyond the grant's expiry. Unix seconds.
    error Expired(uint256 actual, uint256 allowed);

    /// The claim spans more than five minutes. Seconds.
    error ClaimTooLong(uint256 actual, uint256 allowed);

    /// validUntil is zero, which the EntryPoint would read as "for ever".
    error ClaimWithoutEnd();

    /// The decision tree did not grow: `actual` must be larger than `stored`. Leaves.
    error StaleSize(uint256 actual, uint256 stored);

    /// The policy is unknown, revoked or of an older epoch; or agent, asset, payee or terms are not those that were granted.
    error NotGranted(bytes32 policyId);

    /// The policy is already granted in the current epoch.
    error AlreadyGranted(bytes32 policyId);

    /// The policy was revoked, maybe before its first use. Grant anew with another salt.
    error AlreadyRevoked(bytes32 policyId);

    /// The account is frozen: no agent may act until the owner unfreezes it.
    error Frozen();

    /// A call that no policy can allow: not `execute`, not mode 0, not a plain transfer, or not encoded canonically.
    error CallNotAllowed();

    /// Nobody may be paid under this address: zero, the account, the EntryPoint or the DecisionLog.
    error PayeeNotAllowed(address payee);

    /// No policy can cover this asset: the account, the EntryPoint or the DecisionLog.
    error AssetNotAllowed(address asset);

    /// An agent pays its own gas out of the grant's gas budget.
    error PaymasterNotAllowed();

    /// The signature has no known kind, or not the length of its kind. Bytes.
    error MalformedSignature(uint256 length);

    /// The exponents are not the smallest ones that fit.
    error TermsNotCanonical(bytes24 terms);

    /// The grant's numbers do not fit the 24 bytes of terms, at any exponent.
    error TermsNotRepresentable();

    /// Buckets shorter than the longest claim would make the window unsound. Seconds.
    error BucketTooShort(uint256 actual, uint256 allowed);

    /// A grant needs an agent.
    error ZeroAgent();
}
