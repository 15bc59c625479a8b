// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {IAllowanceTransfer} from "./IAllowanceTransfer.sol";
import {Status} from "./ISpendPolicy.sol";

/// What a person lets one agent spend of one token, out of any account: a plain EOA will do. These are the values that his
/// wallet shows and signs, but for `purpose`, which he sees as text. Nothing of it is stored: the EIP-712 hash of the grant is the
/// key of its counters.
///
/// Amounts are base units of `token`. All three are whole multiples of 10^e, where e is the smallest number with which
/// perCall and perWindow are below 2^16 * 10^e and total is below 2^24 * 10^e: amounts of four digits always are, if the total is at
/// most 1677 times the smallest.
/// @param account Payer. Never the agent, never this contract.
/// @param agent Who calls `spend`: an `AgentAccount`. Or, if it equals `agentKey`, whoever calls `spendDirectly`: an EOA.
/// @param agentKey The one key of the agent that may spend: other agents of the same account may not, nor its owner.
/// @param token ERC-20 token.
/// @param perCall Most that one spend may take, inclusive, above 0.
/// @param perWindow Most that may be taken in any span of `window` seconds, both ends included; at least perCall.
/// @param window Seconds: a multiple of 6, from 1800 (half an hour) to 7776000 (90 days).
/// @param total Most that may ever be taken, inclusive, at least perWindow.
/// @param validAfter Unix seconds. A spend comes after this second, never in it.
/// @param validUntil Unix seconds, inclusive. After validAfter, by 90 days at most, and below 2^32.
/// @param payees Who may be paid: ascending, so none twice, 32 at most. Empty if and only if anyPayee is set.
/// @param anyPayee Whether anybody may be paid. An empty list never says that.
/// @param epoch Number of times the payer called `revokeAll`. Grants of other epochs don't work.
/// @param salt Makes otherwise equal grants different. 256 random bits.
/// @param purpose keccak256 of the UTF-8 bytes of the text in the typed data, where it is `string purpose`. What it says binds
/// nobody: it is there for whoever signs.
/// @param policyHash Hash of a policy kept off chain that the agent follows as well. Binds nobody here.
struct AgentSpendGrant {
    address account;
    address agent;
    address agentKey;
    address token;
    uint160 perCall;
    uint160 perWindow;
    uint48 window;
    uint160 total;
    uint48 validAfter;
    uint48 validUntil;
    address[] payees;
    bool anyPayee;
    uint64 epoch;
    uint256 salt;
    bytes32 purpose;
    bytes32 policyHash;
}

/// Which of the payer's allowances a spend uses.
/// Token: the one that the token keeps for this contract. Permit2: the one that Permit2 keeps for it.
enum Source {
    Token,
    Permit2
}

/// How far a grant is used. Base units.
/// @param status Unknown, granted or revoked.
/// @param spent Taken so far, each spend rounded up to a whole unit (10^e).
/// @param leftInTotal What `total` leaves.
/// @param leftInWindow What `perWindow` leaves at this moment.
/// @param leftNow Most that one spend may take at this moment; 0 unless the grant works. Whether the payer has as much, and allows
/// as much, is for the token to say.
/// @param size Size of the decision tree that was last committed by `spendDirectly`.
struct Budget {
    Status status;
    uint256 spent;
    uint256 leftInTotal;
    uint256 leftInWindow;
    uint256 leftNow;
    uint256 size;
}

/// Lets agents spend from accounts that know nothing of policies, within what the payer signed. Nobody owns it, it holds no
/// money, and it can't be changed.
///
/// What a payer does. He allows this contract to pull the token (ERC-20 `approve`, EIP-2612 or Permit2: best exactly `total`),
/// and signs one `AgentSpendGrant`. Anybody brings the signature (`approveBySignature`), best together with the first spend. To stop:
/// `revoke(hash)`, `revokeAll()` or an allowance of zero, each a plain transaction from any wallet; a signed grant that
/// nobody brought yet is ended by the first two as well. A spend that is mined before the stop counts.
///
/// What an agent can't do, whoever holds its keys: take more in one spend, in any span of `window` seconds, or ever, than the grant
/// says; pay anybody it does not name; spend before, after, or once revoked. Grants add up: who signs two allows both.
///
/// Payees. Whoever receives the tokens is the payee, and has to be allowed, the agent's own account too. So a payer who lists
/// payees knows where the tokens go; unless the list names the agent's account (or anyPayee is set), in which case the agent
/// may pull there and act with what it pulled in the same operation, and only that account's policy says what becomes of it.
///
/// No decision, no spend. `spend` is only for an `AgentAccount` (recognised by its code: a clone of the implementation, or an
/// EOA that delegates to it) while it executes a batch of the agent `agentKey`, whose decision it committed when it validated it.
/// A batch of one call will do. `spendDirectly` commits by itself, under this contract as writer, with the payer for account.
///
/// Limits are the law's (`ISpendPolicy`): its counters, its rolling window of six buckets, its rounding up, its errors. Here
/// the block's time is read, so a claim is the one second before it. No true span of `window` seconds, both ends included, ever
/// holds more than perWindow; money comes back between `window` and `window` + `window`/6 + 1 seconds after it was spent.
///
/// Tokens. A spend takes exactly what it counts, or nothing happens: more must not leave the payer (`TookMore`), and
/// nothing may be missing at the payee (`ArrivedLess`). So tokens that keep a fee on a transfer are refused, and a rebasing token that
/// loses a unit to rounding sometimes is. Tokens that answer nothing are fine, those that answer false are not.
///
/// Signatures (65 bytes, r, s, v, low s; or a contract's). An account without code signs with its key. One with code answers for
/// itself (ERC-1271); if the code is a delegation (EIP-7702), its key may sign as well. With an ERC-6492 wrapper, an account without
/// code is deployed first, by a powerless contract (`outsider`): the payer's wrapper says whom to call, and this contract, which
/// holds everybody's allowances, must never do that.
///
/// EIP-712: domain {name "Bursar SpendGrant", version "1", chainId, verifyingContract}, primary type `AgentSpendGrant(address
/// account,address agent,address agentKey,address token,uint160 perCall,uint160 perWindow,uint48 window,uint160 total,uint48
/// validAfter,uint48 validUntil,address[] payees,bool anyPayee,uint64 epoch,uint256 salt,string purpose,bytes32 policyHash)`. A
/// grant's hash is the digest that is signed, domain included: on a fork with another chain id no grant is in force.
///
/// Order of refusals: who calls; `OtherEpoch`; `AlreadyRevoked`, `NotGranted`; `NotYetValid`, `Expired`; `PayeeNotAllowed`; `StaleSize`;
/// `OverPerCall`, `OverLifetime` (of `total`), `OverWindow`; then the token. Those not declared here are of `ISpendPolicy`.
interface ISpendGrant is IERC5267 {
    /// A grant came into force.
    event Approved(
        bytes32 indexed grantHash,
        address indexed account,
        address indexed agent,
        AgentSpendGrant grant
    );

    /// A grant of `account` was ended for good, in force before or not.
    event Revoked(bytes32 indexed grantHash, address indexed account, address by);

    /// Every grant that `account` signed for an earlier epoch stopped working.
    event EpochChanged(address indexed account, uint256 epoch);

    /// An agent spent. `Approved` says out of which account; so does the token's `Transfer`.
    event Spent(bytes32 indexed grantHash, address payee, uint256 amount);

    /// Only the payer may do this.
    error NotAccount(address caller, address account);

    /// Only the grant's agent may spend.
    error NotAgent(address caller, address agent);

    /// `spend` is for an `AgentAccount`, and this is none. (An EOA calls `spendDirectly`.)
    error NotAgentAccount(address agent);

    /// The account is executing for another agent, or (zero) for its owner, or not a batch.
    error OtherAgentExecuting(address actual, address allowed);

    /// Nobody can pay out of this account: zero, this contract, or the agent itself.
    error AccountNotAllowed(address account);

    /// No contract is at the token's address.
    error TokenNotAllowed(address token);

    /// It has to be 0 < perCall <= perWindow <= total.
    error LimitsNotAllowed(uint256 perCall, uint256 perWindow, uint256 total);

    /// The limits have too many digits to be counted in one unit (`AgentSpendGrant`). Base units.
    error LimitsNotRepresentable(uint256 perCall, uint256 perWindow, uint256 total);

    /// Not a multiple of 6, or not from 1800 to 7776000. Seconds.
    error WindowNotAllowed(uint256 window);

    /// The end is not after the start, more than 90 days after it, or beyond 32 bits. Unix seconds.
    error ValidityNotAllowed(uint256 validAfter, uint256 validUntil);

    /// Either there are payees, or anyPayee is set.
    error PayeesNotClear(uint256 payees, bool anyPayee);

    /// More payees than a person reads.
    error TooManyPayees(uint256 actual, uint256 allowed);

    /// Payees have to ascend, and the one at `index` does not. (The first has to be above zero.)
    error PayeesNotAscending(uint256 index);

    /// The grant is not of the payer's current epoch.
    error OtherEpoch(uint256 actual, uint256 current);

    /// The block's time has to be above `allowed`. Unix seconds.
    error NotYetValid(uint256 actual, uint256 allowed);

    /// More left the payer than was to be spent. Base units.
    error TookMore(uint256 actual, uint256 allowed);

    /// Less arrived at the payee than was to be spent. Base units.
    error ArrivedLess(uint256 actual, uint256 allowed);

    // The payer.

    /// Puts a grant in force that the payer signed. Anybody may bring it, more than once: what is in force stays as it is, counters
    /// included.
    /// @param signature As the interface says, of the grant's hash.
    /// @return grantHash `hashOf(grant)`.
    function approveBySignature(
        AgentSpendGrant calldata grant,
        bytes calldata signature
    ) external returns (bytes32 grantHash);

    /// The same by a transaction of the payer.
    function approve(AgentSpendGrant calldata grant) external returns (bytes32 grantHash);

    /// Ends a grant of the caller's for good, also one that nobody brought yet. Never fails.
    function revoke(bytes32 grantHash) external;

    /// Ends all grants of the caller's and of all he signed for the current epoch, by moving to the next.
    function revokeAll() external;

    // The agent.

    /// Ends a grant of the agent's for good. For the grant's key, and for its account while that executes for the key or for
    /// its owner.
    function giveUp(AgentSpendGrant calldata grant) external;

    /// Pays out of the payer's account. Only for the grant's agent, an `AgentAccount` that is executing for the grant's key.
    /// @param payee Who receives the tokens: one of the grant's payees.
    /// @param amount Base units.
    /// @param source Which allowance to use.
    function spend(AgentSpendGrant calldata grant, address payee, uint256 amount, Source source) external;

    /// The same for an agent that is its own key, with the decision to commit.
    /// @param size Number of leaves of the agent's decision tree, this decision included. More than at the last spend under this
    /// grant.
    /// @param root RFC 9162 root of that tree.
    function spendDirectly(
        AgentSpendGrant calldata grant,
        address payee,
        uint256 amount,
        Source source,
        uint32 size,
        bytes32 root
    ) external;

    // Allowances, so that they need no transaction of the payer. Anybody may bring them.

    /// Brings an EIP-2612 signature for an allowance to this contract. A failure is only told: somebody may have brought the
    /// signature before, and a spend fails by itself where the allowance is not enough.
    /// @param value Base units, best the grant's `total`.
    /// @return done Whether the token accepted it now.
    function bringPermit(
        address token,
        address account,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (bool done);

    /// Brings a Permit2 signature for an allowance to this contract. A failure is only told, likewise.
    function bringPermit2(
        address account,
        IAllowanceTransfer.PermitSingle calldata permitSingle,
        bytes calldata signature
    ) external returns (bool done);

    // Views.

    /// The EIP-712 digest that the payer signs, which is the grant's name everywhere. Does not say that the grant could work.
    function hashOf(AgentSpendGrant calldata grant) external view returns (bytes32);

    /// Life of a grant: unknown, granted or revoked.
    function statusOf(address account, bytes32 grantHash) external view returns (Status);

    /// How far a grant is used, and what it leaves.
    function budgetOf(AgentSpendGrant calldata grant) external view returns (Budget memory);

    /// Reverts with the error that a spend would, were it sent now by the right caller. Balances and allowances are not looked at.
    function requireSpendable(AgentSpendGrant calldata grant, address payee, uint256 amount) external view;

    /// The one packed word that is stored of a grant (`Counters`, with the exponent e in the place of the gas).
    function counters(address account, bytes32 grantHash) external view returns (uint256);

    /// Number of times `revokeAll` was called by an account.
    function epochOf(address account) external view returns (uint256);

    /// EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);

    /// The implementation of `AgentAccount` whose accounts may `spend`.
    function accountImplementation() external view returns (address);

    /// The contract that decisions are committed to: that of the accounts.
    function decisionLog() external view returns (address);

    /// Permit2.
    function allowanceTransfer() external view returns (address);

    /// The powerless contract that calls whom strangers name.
    function outsider() external view returns (address);
}
