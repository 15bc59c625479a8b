// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// What a delegation is subject to.
/// @param enforcer Contract that says no to what goes beyond `terms`.
/// @param terms Signed with the delegation.
/// @param args Chosen by whoever redeems; no part of what is signed.
struct Caveat {
    address enforcer;
    bytes terms;
    bytes args;
}

/// What an account lets another do in its name. All of it is signed but for `args` and `signature`.
/// @param authority ROOT_AUTHORITY (all ones), or the hash of the delegation that this one hands on.
struct Delegation {
    address delegate;
    address delegator;
    bytes32 authority;
    Caveat[] caveats;
    uint256 salt;
    bytes signature;
}

/// The part that is needed here of the Delegation Framework's `DelegationManager` (github.com/MetaMask/delegation-framework, 1.3),
/// which is an ERC-7710 manager.
interface IDelegationManager {
    /// Has accounts do what others may do in their name, or reverts.
    /// @param permissionContexts Each abi.encode(Delegation[]), from the caller's to the root.
    /// @param modes ERC-7579 modes.
    /// @param executionCallDatas ERC-7579 executions.
    function redeemDelegations(
        bytes[] calldata permissionContexts,
        bytes32[] calldata modes,
        bytes[] calldata executionCallDatas
    ) external;

    /// EIP-712 hashStruct of a delegation, without the domain: what `disableDelegation` and the enforcers know it by.
    function getDelegationHash(Delegation calldata input) external pure returns (bytes32);
}
