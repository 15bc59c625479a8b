// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IERC7579Hook, IERC7579Validator} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {Extras, Grant, ISpendPolicy, Usage} from "./ISpendPolicy.sol";

/// The law of `ISpendPolicy` for accounts that people already have: an ERC-7579 validator (module type 1) whose operations are
/// all agents', and in the same contract a hook (type 4). One module serves every account, and keeps their policies apart.
///
/// Install it as a validator AND as a hook. The EntryPoint validates a whole bundle before it executes any of it, and a
/// validator is not asked again. So without the hook an agent that was stopped by an earlier operation of the same bundle
/// still makes the payment that was validated; it could have been made one operation earlier, and its caps held. From the
/// next bundle on it is refused.
///
/// Powers. The account may do everything for itself, in an operation of another validator. So may the owner, a key or a
/// contract, if the account named one when it installed the module: its plain transactions grant and stop, and its signature
/// grants. The owner of the module has no other power over the account. A guardian may freeze. An agent may send operations
/// that its grant allows. It never signs for the account (ERC-1271).
///
/// What the law can't see: other validators, executors and fallback handlers of the account act beside it, and count for
/// nothing. The account trusts them without limit; have none that an agent's key opens.
///
/// EIP-712 domain: {name "Bursar", version "1", chainId, verifyingContract: this module, salt: the account, as a number of 32
/// bytes}. A grant that was signed for one account or one module is nothing for another.
///
/// Nonces. The account picks the validator by the nonce key, 24 bytes, and what it leaves over has to begin like the agent's
/// address: so no agent uses up nonces of another (unless its key was searched for: owners, look at the agents you grant to).
///
/// | account | nonce key, high to low | run |
/// | --- | --- | --- |
/// | OpenZeppelin `AccountERC7579`, `AccountERC7579Hooked` | module 20, agent 4 | yes |
/// | Safe7579 | module 20, agent 4 | not run |
/// | Nexus | agent 3, mode 1, module 20 | not run |
/// | Kernel v3 | mode 1, type 1, module 20, agent 2 | not run |
///
/// Any other layout is refused (`LaneNotAllowed`). The check of the hook needs the account to pass on the very callData of the
/// operation. By their sources: Nexus does; Safe7579 appends the caller, so the check is not made; Kernel wants `executeUserOp`
/// for a validator with a hook, which the law refuses.
///
/// Storage is keyed with the account innermost (ERC-7562 STO-021), transient storage too: any bundler may include an agent's
/// operation without the module being staked. (Not the one that deploys the account, unless its factory is: STO-022.)
interface ISpendPolicyValidator is ISpendPolicy, IERC7579Validator, IERC7579Hook {
    /// The account named its owner in the module, or with zero: nobody.
    event OwnerSet(address indexed account, address indexed owner);

    /// What is given to `onInstall` is empty, or the 20 bytes of the owner's address. Bytes.
    error InstallDataNotAllowed(uint256 length);

    /// Called by the account when it installs the module, as whichever type. Never resets anything: counters, epoch, freeze,
    /// revoked policies, guardians and caps of an earlier installation are still there.
    /// @param data Empty: the owner stays who it is, at first nobody. 20 bytes: the owner.
    function onInstall(bytes calldata data) external override;

    /// Called by the account when it uninstalls the module, as whichever type. Ends all policies and all signed `Install`s, so
    /// that installing again revives none: the epoch moves, or, at its end, the account is frozen. When it was the last type, the
    /// owner is forgotten. Never fails.
    function onUninstall(bytes calldata data) external override;

    /// True for 1, validator, and 4, hook.
    function isModuleType(uint256 moduleTypeId) external pure override returns (bool);

    /// Whether an account has the module installed as at least one type.
    function isInitialized(address account) external view returns (bool);

    /// ERC-7579, called by the account, whose policies apply. Every signature is read as an agent's. A breach reverts with an
    /// error of `ISpendPolicy`; a wrong signature returns 1 (SIG_VALIDATION_FAILED) after all the work is done, so that gas can
    /// be estimated with a dummy signature.
    ///
    /// The callData that an agent may send is `execute(bytes32,bytes)`, as ERC-7579 has it. `executeUserOp`, which some accounts
    /// offer too, is refused like everything else.
    /// @return validationData The claimed time range and the signatures' verdict, packed as ERC-4337 says.
    function validateUserOp(
        PackedUserOperation calldata userOp,
        bytes32 userOpHash
    ) external override returns (uint256 validationData);

    /// Always 0xffffffff: no agent signs for an account.
    function isValidSignatureWithSender(
        address sender,
        bytes32 hash,
        bytes calldata signature
    ) external pure override returns (bytes4);

    /// Called by the account before it executes anything. If this callData was validated for an agent in this transaction, then
    /// freeze, epoch and revocation are checked again. All else passes: the module is no hook for what others do.
    ///
    /// An operation of another validator that carries the very callData of an agent's operation in the same bundle is checked
    /// in the same way, and fails if that agent was stopped in between.
    /// @param msgData What the account was called with: an operation's callData.
    /// @return hookData Empty.
    function preCheck(
        address msgSender,
        uint256 value,
        bytes calldata msgData
    ) external view override returns (bytes memory hookData);

    /// Does nothing.
    function postCheck(bytes calldata hookData) external pure override;

    /// Names the owner in the module of the account that calls. Grants stay; what the former owner signed does not count any
    /// more.
    /// @param owner_ A key or a contract. Zero: nobody but the account.
    function setOwner(address owner_) external;

    /// Grants a policy in the current epoch. Granting again what an older epoch granted keeps all its counters.
    /// Live policies of one agent add up. By the account or its owner.
    /// @return policyId EIP-712 hashStruct of the grant. The same grant has the same id for every account.
    function grant(address account, Grant calldata terms) external returns (bytes32 policyId);

    /// Grants what the owner signed: `Install` over the grant and the current epoch, by a key (64 or 65 bytes) or by a
    /// contract (ERC-1271; one that is not deployed yet has to be deployed first). Anybody may bring it, once.
    function grantBySignature(
        address account,
        Grant calldata terms,
        bytes calldata signature
    ) external returns (bytes32 policyId);

    /// Revokes a policy and grants another for the same asset in its place, to the same agent or to a new key of it. What was
    /// spent, paid for gas and counted so far counts under the new one too, rounded up to its units; with another window, all
    /// that the ring still holds counts as spent now. The size of the decision tree is kept as long as the agent is. By the account
    /// or its owner.
    /// @param oldTerms A policy that is granted, in this epoch or an older one.
    /// @param newTerms One that never was.
    function replace(
        address account,
        Grant calldata oldTerms,
        Grant calldata newTerms
    ) external returns (bytes32 policyId);

    /// Ends a policy for good, also one that was never used: a signed `Install` of it becomes worthless. By the account or its
    /// owner. Never fails for them.
    function revoke(address account, bytes32 policyId) external;

    /// Ends all policies and all signed `Install`s of the current epoch, by moving to the next. By the account or its owner.
    function revokeAll(address account) external;

    /// Stops all agents until `unfreeze`. Grants and counters stay as they are. By the account, its owner or a guardian. Never
    /// fails for them.
    function freeze(address account) external;

    /// Lets the agents act again. By the account or its owner. Never fails for them.
    function unfreeze(address account) external;

    /// Makes somebody a guardian, who may freeze and do nothing else, or takes that back. By the account or its owner.
    function setGuardian(address account, address guardian, bool active) external;

    /// Says that the owner is still there. Policies with `Extras.heartbeat` work for so long after the last one, and not at all
    /// before the first. By the account or its owner.
    function heartbeat(address account) external;

    /// Caps what all agents together may pay of an asset, in any span of `6 * bucket` seconds, beside what their grants say.
    /// It counts from now on; changing it keeps what was counted. The first cap of an account makes every operation look. By the
    /// account or its owner.
    /// @param asset ERC-20 token, or zero for the native coin (payments only: gas has its budgets).
    /// @param perWindow Base units, inclusive, with at most 16 bits of digits (65535 times a power of ten).
    /// @param bucket Seconds, 300 to 16777215. 0, with `perWindow` 0: no more cap.
    function setCap(address account, address asset, uint256 perWindow, uint256 bucket) external;

    /// Puts a co-signature on record, so that an operation can bring it without a signature: for approvers that are contracts
    /// (ERC-1271). The approver himself needs none; for all others anybody may bring it. Whether he is an approver of the policy,
    /// and the deadline, are looked at when it is used.
    /// @param nonce, deadline As in `Approval`; the deadline in unix seconds, inclusive.
    function recordApproval(
        address account,
        address approver,
        bytes32 policyId,
        bytes32 callHash,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// Who, beside the account, grants and stops; zero: nobody.
    function owner(address account) external view returns (address);

    /// Number of times everything was revoked, uninstalling included. Grants of other epochs do not work.
    function epoch(address account) external view returns (uint256);

    /// Whether all agents of an account are stopped.
    function frozen(address account) external view returns (bool);

    /// When the owner was last heard of, unix seconds; 0: never.
    function lastHeartbeat(address account) external view returns (uint256);

    /// Whether somebody may freeze the account without owning it.
    function isGuardian(address account, address guardian) external view returns (bool);

    /// The cap over all agents for an asset (`setCap`); 0, 0: none.
    function capOf(address account, address asset) external view returns (uint256 perWindow, uint256 bucket);

    /// The same with its ring, as the one packed word that is stored (`Caps`).
    function capCounters(address account, address asset) external view returns (uint256);

    /// What is known of an approval, by hashStruct(Approval): 0 nothing, 1 recorded, 2 used.
    function approvalState(address account, bytes32 hash) external view returns (uint256);

    /// What a policy of an account has used so far.
    function usage(address account, bytes32 policyId) external view returns (Usage memory);

    /// The same as the one packed word that is stored (`Counters`).
    function counters(address account, bytes32 policyId) external view returns (uint256);

    /// Likewise for the number of operations; zero unless the policy limits it.
    function operationCounters(address account, bytes32 policyId) external view returns (uint256);

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

    /// EIP-712 domain separator of an account. (ERC-5267 has no place for the account.)
    function domainSeparator(address account) external view returns (bytes32);

    /// The contract that agents' decisions are committed to; the module is their writer.
    function decisionLog() external view returns (address);

    /// The EntryPoints that no agent may call or pay: 0.7, 0.8 and 0.9.
    function entryPoints() external view returns (address[3] memory);
}
