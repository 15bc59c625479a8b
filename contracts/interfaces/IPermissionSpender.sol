// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Spends for one agent under permissions that wallets gave (ERC-7715), within what a delegation manager enforces of them (ERC-7710).
/// One contract for each agent, made for it: nobody owns it, it holds no money, and it can't be changed.
///
/// Why it is in between. Such a permission says a token, an amount a period and an end, and no payees; and what an agent sends to the
/// manager to use it is packed into bytes that the agent's policy can't read. So wallets give the permission to this contract, and its
/// `spend` says in plain arguments who is paid what: those the policy reads, bounds and counts.
///
/// What a payer does. He lets his wallet permit this contract to spend a token. To stop: `revoke(permission)` or `revokeAll()`, a plain
/// transaction from any wallet; or what the manager has for it (`disableDelegation`). A spend that is mined before the stop counts.
///
/// What an agent can't do, whoever holds its keys: take more than the permission's enforcers let it, spend in any way but a plain transfer
/// of the token to one payee, or without a decision. Whom it may pay is its policy's to say, and nothing of what the payer's wallet shows:
/// whoever owns the agent's account may give it another policy. The permission's amounts bound the payer's loss in any case.
///
/// What counts as a permission: abi.encode(Delegation[]) with one delegation of the Delegation Framework, from the payer to this very
/// contract. Not one that anybody may use, nor one that was handed on. Its name, here and in every event, is the hash by which the manager
/// knows it (`getDelegationHash`). The bytes around it (signature, arguments of caveats) are no part of the name: who revokes, revokes
/// what he signed, however somebody encodes it.
///
/// No decision, no spend. `spend` is only for the agent's account, an `AgentAccount` (recognised by its code, as ISpendGrant says) while
/// it executes a batch of the agent's key, whose decision it committed when it validated it. A batch of one call will do.
///
/// Tokens. No more leaves the payer than the amount (`TookMore`), and nothing of it is missing at the payee (`ArrivedLess`), whatever the
/// token answers. So tokens that keep a fee on a transfer are refused, and nobody is paid out of his own account to himself.
///
/// Order of refusals: who calls; `ContextNotAllowed`, `PermissionNotAllowed`; `PermissionRevoked`; `TokenNotAllowed`; then the manager and
/// its enforcers; then `TookMore`, `ArrivedLess`. Those not declared here are of ISpendGrant.
interface IPermissionSpender {
    /// The agent spent under a permission.
    event Spent(
        bytes32 indexed permission,
        address indexed payer,
        address indexed token,
        address payee,
        uint256 amount
    );

    /// A permission of `payer` was ended here for good, used before or not.
    event Revoked(bytes32 indexed permission, address indexed payer, address by);

    /// All permissions of `payer` were ended here for good, those he gives later as well.
    event AllRevoked(address indexed payer);

    /// It is no encoding of one delegation, or not one of `payer`.
    error ContextNotAllowed(address payer);

    /// The delegation is for somebody else, or for anybody.
    error PermissionNotAllowed(address delegate);

    /// The payer, or the agent, has ended it here.
    error PermissionRevoked(bytes32 permission);

    // The payer.

    /// Ends a permission of the caller's for good, also one that was never used. Never fails.
    function revoke(bytes32 permission) external;

    /// Ends all permissions of the caller's for good, also those he gives later. To let this agent spend again, he permits another
    /// contract, of another key. Never fails.
    function revokeAll() external;

    // The agent.

    /// Ends a permission for good. For the agent's key, and for its account while that executes for the key or for its owner.
    function giveUp(address payer, bytes32 permission) external;

    /// Pays out of the payer's account. Only for the agent's account while it executes for the agent's key.
    /// @param payer Who gave the permission.
    /// @param token ERC-20 token.
    /// @param payee Who receives the tokens.
    /// @param amount Base units.
    /// @param context The permission, as the wallet answered it.
    function spend(
        address payer,
        address token,
        address payee,
        uint256 amount,
        bytes calldata context
    ) external;

    // Views.

    /// Who gave a permission, and its name. Reverts with the error that a spend would. Does not say that the manager would accept it.
    function permissionOf(bytes calldata context) external view returns (address payer, bytes32 permission);

    /// Whether a permission was ended here. (Whether the manager has it disabled, the manager says.)
    function isRevoked(address payer, bytes32 permission) external view returns (bool);

    /// The account that spends.
    function agent() external view returns (address);

    /// The one key of that account that may spend.
    function agentKey() external view returns (address);

    /// The delegation manager that enforces permissions.
    function manager() external view returns (address);

    /// The implementation of `AgentAccount` that the account has to be of.
    function accountImplementation() external view returns (address);
}
