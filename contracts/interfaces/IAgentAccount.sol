// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {IAccount, PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Extras, Grant, ISpendPolicy, Usage} from "./ISpendPolicy.sol";

/// ERC-4337 account of one owner, whose agents spend under policies that the account itself enforces.
///
/// Powers. The owner may do everything: by user operation (an ECDSA key, 64 or 65 bytes of signature over the raw
/// userOpHash), by plain transaction (a contract too), or by a call of the account to itself. An agent may do one thing: send a user
/// operation that its grant allows (`ISpendPolicy`), and every such operation commits the agent's decisions to the
/// DecisionLog during validation, so that the commitment survives even when the payment reverts.
///
/// Nonces. The low 160 bits of the EntryPoint's nonce key are the agent's address in an agent's operation: nobody uses up
/// the nonces of the owner or of another agent. The 32 bits above are the agent's to choose. The owner may use any key.
///
/// ERC-1271 (with ERC-7739) speaks for the owner alone: no signature of an agent can ever stand for the account. There are no
/// modules to install and nothing is ever delegatecalled (docs/decisions/0003).
interface IAgentAccount is ISpendPolicy, IAccount, IERC5267, IERC1271 {
    /// The owner took out `amount` base units of `asset` (zero: native coin).
    event Withdrawn(address indexed asset, address indexed to, uint256 amount);

    /// The owner took `amount` wei out of the account's deposit in the EntryPoint.
    event DepositWithdrawn(address indexed to, uint256 amount);

    /// Only the EntryPoint may call this.
    error NotEntryPoint(address caller);

    /// The account has its owner already, or is the implementation.
    error AlreadyInitialized();

    /// An account needs an owner.
    error ZeroOwner();

    /// `execute` knows the modes single (0x00…) and batch (0x01 then zeros), both reverting on failure.
    error ModeNotSupported(bytes32 mode);

    /// Sets the owner, once. The factory calls this in the transaction that makes the account. A clone made without the
    /// factory belongs to whoever calls first: nobody should send anything to one before.
    ///
    /// An EOA that delegates to this code (EIP-7702) holds money before it has an owner, so it alone may call this, by a
    /// transaction to itself: best the one that carries the delegation.
    function initialize(address owner_) external;

    /// ERC-4337. Owner's signatures (64 or 65 bytes) are compared with the owner; all others are read as an agent's, and
    /// judged and metered. A breach reverts with an error of `ISpendPolicy`; a wrong signature returns 1
    /// (SIG_VALIDATION_FAILED) after all the work is done, so that gas can be estimated with a dummy signature.
    /// @return validationData An agent's claimed time range and the signature's verdict, packed as ERC-4337 says.
    function validateUserOp(
        PackedUserOperation calldata userOp,
        bytes32 userOpHash,
        uint256 missingAccountFunds
    ) external returns (uint256 validationData);

    /// ERC-7579 execution, for the EntryPoint and the owner. When an agent's operation executes, freeze, epoch and
    /// revocation are checked again first: an earlier operation of the same bundle may have stopped the agent.
    ///
    /// An owner's operation that carries the very callData of an agent's operation in the same bundle (one plain payment,
    /// then) is checked in the same way, and fails if that agent was stopped in between. Stopping can't be blocked like
    /// this: no agent's callData can be a call of the account to itself.
    /// @param mode 0 for a single call, 0x01 followed by zeros for a batch.
    /// @param executionCalldata Single: target 20 | value 32 | data. Batch: abi.encode((address,uint256,bytes)[]).
    function execute(bytes32 mode, bytes calldata executionCalldata) external payable;

    /// Grants a policy in the current epoch. Granting again what an older epoch granted keeps all its counters.
    /// Live policies of one agent add up.
    /// @return policyId EIP-712 hashStruct of the grant.
    function grant(Grant calldata terms) external returns (bytes32 policyId);

    /// Grants what the owner signed: `Install` over the grant and the current epoch, by a key (64 or 65 bytes) or by a
    /// contract (ERC-1271; one that is not deployed yet has to be deployed first). Anybody may bring it, once.
    function grantBySignature(
        Grant calldata terms,
        bytes calldata signature
    ) external returns (bytes32 policyId);

    /// Revokes a policy and grants another for the same asset in its place, to the same agent or to a new key of it. What was
    /// spent, paid for gas and counted so far counts under the new one too, rounded up to its units; with another window, all
    /// that the ring still holds counts as spent now. Figures that the new terms are too small to hold stay at the most they can
    /// hold, for good: under a lifetime or gas budget far below what was spent nothing is left, in later replacements either. The
    /// size of the decision tree is kept as long as the agent is.
    /// The ring remembers as long as the window it is kept for: a shorter one in between forgets the longer one's window (never
    /// the lifetime). Operations count from the first policy that limits their number.
    /// @param oldTerms A policy that is granted, in this epoch or an older one.
    /// @param newTerms One that never was.
    function replace(Grant calldata oldTerms, Grant calldata newTerms) external returns (bytes32 policyId);

    /// Ends a policy for good, also one that was never used: a signed `Install` of it becomes worthless. Never fails.
    function revoke(bytes32 policyId) external;

    /// Ends all policies and all signed `Install`s of the current epoch, by moving to the next.
    function revokeAll() external;

    /// Stops all agents until `unfreeze`. Grants and counters stay as they are. Never fails. Guardians may do this too.
    function freeze() external;

    /// Lets the agents act again. Never fails.
    function unfreeze() external;

    /// Makes somebody a guardian, who may freeze and do nothing else, or takes that back.
    function setGuardian(address guardian, bool active) external;

    /// Says that the owner is still there. Policies with `Extras.heartbeat` work for so long after the last one, and not at all
    /// before the first.
    function heartbeat() external;

    /// Caps what all agents together may pay of an asset, in any span of `6 * bucket` seconds, beside what their grants say.
    /// A first cap counts what is validated from now on (not what an earlier operation of the same bundle is about to execute);
    /// changing it keeps what was counted, rounded up: after a cap too low for what was counted, that holds until the window
    /// is over. The first cap of an account makes every operation look.
    /// @param asset ERC-20 token, or zero for the native coin (payments only: gas has its budgets).
    /// @param perWindow Base units, inclusive, with at most 16 bits of digits (65535 times a power of ten).
    /// @param bucket Seconds, 300 to 16777215. 0, with `perWindow` 0: no more cap.
    function setCap(address asset, uint256 perWindow, uint256 bucket) external;

    /// Puts a co-signature on record, so that an operation can bring it without a signature: for approvers that are contracts
    /// (ERC-1271). The approver himself needs none; for all others anybody may bring it. Whether he is an approver of the policy,
    /// and the deadline, are looked at when it is used. An approval can't be taken back before its deadline: keep that short.
    function recordApproval(
        address approver,
        bytes32 policyId,
        bytes32 callHash,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// Sends an asset of the account to anybody.
    /// @param asset ERC-20 token, or zero for the native coin.
    /// @param amount Base units.
    function withdraw(address asset, address payable to, uint256 amount) external;

    /// Sends some of the account's deposit in the EntryPoint to anybody.
    /// @param amount Wei.
    function withdrawDeposit(address payable to, uint256 amount) external;

    /// Who owns the account.
    function owner() external view returns (address);

    /// Number of times `revokeAll` was called. Grants of other epochs do not work.
    function epoch() external view returns (uint256);

    /// Whether all agents are stopped.
    function frozen() external view returns (bool);

    /// When the owner was last heard of, unix seconds; 0: never.
    function lastHeartbeat() external view returns (uint256);

    /// Whether somebody may freeze the account without owning it.
    function isGuardian(address guardian) external view returns (bool);

    /// The cap over all agents for an asset (`setCap`); 0, 0: none.
    function capOf(address asset) external view returns (uint256 perWindow, uint256 bucket);

    /// The same with its ring, as the one packed word that is stored (`Caps`).
    function capCounters(address asset) external view returns (uint256);

    /// What is known of an approval, by hashStruct(Approval): 0 nothing, 1 recorded, 2 used.
    function approvalState(bytes32 hash) external view returns (uint256);

    /// What a policy has used so far.
    function usage(bytes32 policyId) external view returns (Usage memory);

    /// The same as the one packed word that is stored (`Counters`).
    function counters(bytes32 policyId) external view returns (uint256);

    /// Likewise for the number of operations; zero unless the policy limits it.
    function operationCounters(bytes32 policyId) external view returns (uint256);

    /// The agent whose batch the account is executing at this moment: an operation of kind 4 in batch mode, of one call or more.
    /// Its decision was committed when the operation was validated, and it was not stopped since. Zero in an operation of the
    /// owner's, from an owner's call amid the agent's batch on, in single mode, and outside of `execute`.
    ///
    /// For contracts that the account calls and that have to tell its agents apart (`ISpendGrant`). Each validated operation
    /// counts once: an owner's operation passes for an agent's only where it is, byte by byte, what that agent signed for this
    /// very bundle, and then the agent's own does not.
    function agentExecuting() external view returns (address);

    /// Id of a grant: EIP-712 hashStruct. Does not say that it is granted, or that it could be.
    function policyIdOf(Grant calldata terms) external pure returns (bytes32);

    /// The 24 bytes of terms of a grant, with the one exponent each that counts.
    function termsOf(Grant calldata terms) external pure returns (bytes24);

    /// The grant behind 24 bytes of terms.
    function grantOf(
        address agent,
        address asset,
        bytes32 payees,
        bytes24 terms,
        Extras calldata extras
    ) external pure returns (Grant memory);

    /// The EntryPoint whose operations this account accepts.
    function entryPoint() external view returns (address);

    /// The contract that agents' decisions are committed to.
    function decisionLog() external view returns (address);

    /// ERC-7579: vendor, account and version.
    function accountId() external view returns (string memory);
}
