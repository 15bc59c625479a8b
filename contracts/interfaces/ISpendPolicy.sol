// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// What an owner lets one agent spend of one asset. These are the full values that the owner's wallet shows and signs;
/// `hashStruct(Grant)` is the policy's id, and the key of the counters, the only thing the chain keeps of a policy.
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
/// @param extras What goes beyond plain transfers; all zero for most grants, which are then called plain.
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
    Extras extras;
}

/// What a grant allows or demands beside plain transfers. Zero in a field: nothing more, nothing demanded.
/// @param rules Root of the tree of call rules (`Rule`): which other functions of which contracts the agent may call.
/// @param functions Functions of the asset, an ERC-20 token, that the agent may call beside `transfer`, as a sum: 1
/// `transferFrom` (out of this account), 2 `approve`, 4 `increaseAllowance`, 8 `permit`. Their amounts count as spent, and the
/// spender has to be a payee. An allowance outlives the grant: what was approved once may be pulled at any later time.
/// @param approvers Root of the tree of approvers (`PayeeTree`): each of them may co-sign an operation above `perCall`.
/// @param ceiling Most that one co-signed operation may pay, in base units of the asset, inclusive; never more than
/// `perWindow`. Everything else of the grant holds for it too.
/// @param operations Most operations with calls, ever, below 2^24. 0: as many as the money allows.
/// @param operationsPerWindow Most operations with calls in any span of `6 * bucket` seconds, below 2^16. 0: likewise.
/// @param paymaster The one paymaster that may pay the agent's gas. An operation it pays for touches neither `gasBudget` nor
/// `feeCap`: what the paymaster wants for it is between it and whoever chose it.
/// @param heartbeat Seconds after the owner's last `heartbeat` for which the agent may act, inclusive. 0: no matter.
struct Extras {
    bytes32 rules;
    uint256 functions;
    bytes32 approvers;
    uint256 ceiling;
    uint256 operations;
    uint256 operationsPerWindow;
    address paymaster;
    uint256 heartbeat;
}

/// How a word of calldata is compared with the operands of a condition.
/// In: equal to one of them. AtMost, AtLeast: to the only one, unsigned, inclusive. Self: to the account's address; no operand.
enum Comparison {
    In,
    AtMost,
    AtLeast,
    Self
}

/// What one argument of an allowed call has to be.
/// @param word Which 32-byte word of the calldata, the first behind the selector being 0. A call that is too short to have
/// it is refused.
/// @param operands At least one for In, exactly one for AtMost and AtLeast, none for Self.
struct Condition {
    uint256 word;
    Comparison comparison;
    uint256[] operands;
}

/// One function of one contract that an agent may call. Leaf of the tree of `Extras.rules`: keccak256(keccak256(abi.encode(rule))),
/// hashed twice so that no node passes for a leaf.
/// @param target Contract that may be called: never the account, the EntryPoint, the DecisionLog or the grant's asset.
/// @param selector Function that may be called. Those that move or approve ERC-20 tokens are reserved: they count or they fail.
/// @param spends n > 0: word n - 1 of the calldata counts as spent of the grant's asset. 0: nothing does, apart from the
/// native coin sent along, which only a grant for the native coin allows and which always counts.
/// @param conditions All have to hold.
struct Rule {
    address target;
    bytes4 selector;
    uint256 spends;
    Condition[] conditions;
}

/// Why one call of an operation is allowed.
/// @param path Siblings from the leaf up: of the payee (or spender) in the grant's payees, or of the rule in its rules.
/// @param rule Empty for a payment or an approval, abi.encode(Rule) for any other call.
struct CallProof {
    bytes32[] path;
    bytes rule;
}

/// A co-signature: EIP-712 `Approval(address approver,bytes32 policyId,bytes32 callHash,uint256 nonce,uint256 deadline)`, where
/// callHash = keccak256(userOp.callData). It serves one operation.
/// @param approver Who co-signs; zero: nobody does.
/// @param path Siblings from the approver up to `Extras.approvers`.
/// @param nonce Any number: two approvals of the same calls need different ones.
/// @param deadline Last second at which the operation may run, unix time, inclusive.
/// @param signature 64 bytes (EIP-2098) of an approver that is a key; empty if the approval was recorded before.
struct Approval {
    address approver;
    bytes32[] path;
    uint256 nonce;
    uint256 deadline;
    bytes signature;
}

/// What a signature of kind 4 ends with, abi.encoded.
/// @param asset, payees, extras The parts of the grant that its terms don't say.
/// @param proofs One for each call, in order; none for an empty operation.
/// @param ownerSignature Empty, or 64 bytes (EIP-2098) of the owner's `Install`: then the grant is made now.
struct Tail {
    address asset;
    bytes32 payees;
    Extras extras;
    CallProof[] proofs;
    Approval approval;
    bytes ownerSignature;
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
/// | 0 | kind: 1 steady, 2 grant inside, 3 empty operation: all of plain grants; 4 whatever any grant allows |
/// | 1–20 | agent |
/// | 21–84 | r, vs (EIP-2098) of the agent's `Operation` |
/// | 85–90 | validAfter 4, span 2: validUntil = validAfter + span |
/// | 91–126 | size 4, root 32 |
/// | 127–150 | terms |
/// | 151– | kind 1: payee proof, 32 each; kind 2: payee proof, 32 each, then owner's r, vs of `Install`; kind 3: asset 20, payees 32 |
/// | 151– | kind 4: abi.encode(Tail) |
///
/// EIP-712, domain {name "Bursar", version "1", chainId, verifyingContract: the account}, in the module {…, verifyingContract: the
/// module, salt: bytes32(account)}: the owner signs `Install(Grant grant,uint256 epoch)`, the agent `Operation(bytes32
/// userOpHash,bytes32 policyId,uint256 validAfter,uint256 validUntil,uint256 size,bytes32 root)`, or, for kind 4,
/// `RuledOperation(…,bytes32 tail)` with keccak256 of the tail at the end.
///
/// Calls. Default deny. The callData of kinds 1 and 2 is `execute(bytes32 mode, bytes executionCalldata)` with mode 0 and a
/// single ERC-20 `transfer(address,uint256)` without value, or a native transfer without data, encoded canonically and
/// nothing behind it. The callData of kind 3 is empty. That of kind 4 is empty, or `execute` of a single call or of a batch of
/// up to 16: each is a payment or an approval in the grant's asset to one of its payees, or allowed by one of its rules.
/// What they spend together is what the operation spends.
///
/// Order of refusals: form of signature and calls; frozen; not granted; heartbeat; then `Expired`, `OverFeeCap`, `StaleSize`,
/// `OverGasBudget`, `OverPerCall`, `OverLifetime`, `WindowTooOld`, `OverWindow`, `TooManyOperations`,
/// `TooManyOperationsInWindow`, `OverCap`; approval; lane; signatures.
interface ISpendPolicy {
    /// A policy was granted, or granted again in a new epoch. `terms` are the grant's numbers ("Terms" above): with them, and
    /// with `ExtrasGranted` unless the grant is plain, the whole grant is known, apart from what is behind the roots.
    event Granted(
        address indexed account,
        bytes32 indexed policyId,
        address indexed agent,
        address asset,
        bytes32 payees,
        bytes24 terms,
        uint256 epoch
    );

    /// The extras of the policy granted in the event before. Not emitted for plain grants.
    event ExtrasGranted(address indexed account, bytes32 indexed policyId, Extras extras);

    /// A policy was revoked for good, in use or not.
    event Revoked(address indexed account, bytes32 indexed policyId);

    /// What was spent under one policy now counts under another, which took its place.
    event Replaced(address indexed account, bytes32 indexed oldPolicyId, bytes32 indexed newPolicyId);

    /// Every policy and every signed `Install` of an earlier epoch stopped working.
    event EpochChanged(address indexed account, uint256 epoch);

    /// The account was frozen: no agent may act.
    event AccountFrozen(address indexed account, address by);

    /// The account was unfrozen.
    event AccountUnfrozen(address indexed account);

    /// Somebody became a guardian, who may freeze, or ceased to be one.
    event GuardianSet(address indexed account, address indexed guardian, bool active);

    /// The owner was there, at `time` (unix seconds).
    event Heartbeat(address indexed account, uint256 time);

    /// All agents together may pay `perWindow` base units of `asset` in any span of `6 * bucket` seconds; 0, 0: no more cap.
    event CapSet(address indexed account, address indexed asset, uint256 perWindow, uint256 bucket);

    /// An approval is on record: hashStruct(Approval).
    event ApprovalRecorded(address indexed account, address indexed approver, bytes32 approval);

    /// Neither the owner nor (where that is enough) a guardian, nor the account itself.
    error NotOwner(address caller);

    /// Only a guardian or the owner may freeze.
    error NotGuardian(address caller);

    /// An agent used another nonce key than its own: what stands where the agent has to (`IAgentAccount`, "Nonces"), and the agent.
    error LaneNotAllowed(address actual, address allowed);

    /// Two grants asked for the same callData in one bundle, so execution could not tell which one to check again.
    error AmbiguousCall(bytes32 callHash);

    /// The epoch is at its maximum of 65535. Freeze the account instead, and move.
    error EpochExhausted();

    /// The owner has not been heard of for too long. Unix seconds: end of the claim, and last second allowed.
    error HeartbeatMissed(uint256 actual, uint256 allowed);

    /// More operations than ever allowed, this one included.
    error TooManyOperations(uint256 actual, uint256 allowed);

    /// More operations than allowed in the rolling window, this one included.
    error TooManyOperationsInWindow(uint256 actual, uint256 allowed);

    /// The cap over all agents of the account would be exceeded, this payment included and rounded up. Base units.
    error OverCap(address asset, uint256 actual, uint256 allowed);

    /// The cap's numbers can't be kept: more than 16 bits at any exponent without rounding, or a bucket shorter than 300 s or
    /// longer than 24 bits.
    error CapNotRepresentable(uint256 perWindow, uint256 bucket);

    /// More than 16 calls, or none in a batch.
    error CallCountNotAllowed(uint256 calls);

    /// The grant does not allow this function of its asset.
    error FunctionNotAllowed(bytes4 selector);

    /// No rule of the grant allows this call, or no rule may.
    error RuleNotAllowed(address target, bytes4 selector);

    /// An argument breaks a condition of its rule, or is not there.
    error ArgumentNotAllowed(uint256 word, bytes32 actual);

    /// Not one of the grant's approvers.
    error ApproverNotAllowed(address approver);

    /// The claim reaches beyond the approval's deadline. Unix seconds.
    error ApprovalExpired(uint256 actual, uint256 allowed);

    /// The approval served an operation already.
    error ApprovalUsed(bytes32 approval);

    /// The approval has no signature and was not recorded.
    error ApprovalNotRecorded(bytes32 approval);

    /// The signature is not that of the one who has to sign.
    error WrongSigner(address expected);

    /// A policy replaces another only for the same asset. (Assets of the old and the new one.)
    error AssetDiffers(address oldAsset, address newAsset);

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

    /// Not a payee of the grant; or nobody may be paid, or called, under this address: zero, the account, the EntryPoint, the
    /// DecisionLog or the module.
    error PayeeNotAllowed(address payee);

    /// No policy can cover this asset: the account, the EntryPoint, the DecisionLog or the module.
    error AssetNotAllowed(address asset);

    /// Not the paymaster that the grant names; most name none, and their agents pay gas out of the grant's budget.
    error PaymasterNotAllowed(address paymaster);

    /// The signature has no known kind, or not the length of its kind. Bytes.
    error MalformedSignature(uint256 length);

    /// The exponents are not the smallest ones that fit.
    error TermsNotCanonical(bytes24 terms);

    /// The grant's numbers do not fit the 24 bytes of terms, at any exponent; or its extras not their bounds.
    error TermsNotRepresentable();

    /// Buckets shorter than the longest claim would make the window unsound. Seconds.
    error BucketTooShort(uint256 actual, uint256 allowed);

    /// There is no contract at the address that was given for the DecisionLog.
    error NoDecisionLog(address decisionLog);

    /// A grant needs an agent.
    error ZeroAgent();
}
