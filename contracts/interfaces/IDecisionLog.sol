// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Where one decision stands in one tree, and how to get from it to the tree's root.
/// @param writer Who anchored the tree. Anybody may write; only the account itself, or somebody the reader trusts, counts.
/// @param account Account the decisions are about.
/// @param agent Agent that took them.
/// @param size Number of leaves of the anchored tree.
/// @param index Position of the decision, from zero.
/// @param leaf RFC 9162 leaf hash, sha256(0x00 ‖ record root): a hash already, never the record itself.
/// @param path RFC 9162 inclusion path, from the leaf's sibling up.
struct Inclusion {
    address writer;
    address account;
    address agent;
    uint256 size;
    uint256 index;
    bytes32 leaf;
    bytes32[] path;
}

/// The one address where the decisions of all agents of all accounts can be found. Nobody owns it.
///
/// For each (writer, account, agent) there is one append-only RFC 9162 tree (sha256; leaf 0x00, node 0x01), kept off chain.
/// `commit` announces its size and root in an event and stores nothing, so that it is legal inside ERC-4337 validation.
/// `anchor` stores a root, so that contracts can check decisions against it. That a tree only appends is for readers to
/// check: every root has its event, and RFC 9162 has consistency proofs.
interface IDecisionLog {
    /// A writer announced the tree of (account, agent). `size` counts leaves.
    event Committed(
        address indexed writer,
        address indexed account,
        address indexed agent,
        uint256 size,
        bytes32 root
    );

    /// A writer stored the root of the tree of (account, agent). `size` counts leaves.
    event Anchored(
        address indexed writer,
        address indexed account,
        address indexed agent,
        uint256 size,
        bytes32 root
    );

    /// Anchored trees grow: `actual` must be larger than `stored`. Leaves.
    error SizeNotGrown(uint256 actual, uint256 stored);

    /// The empty root means "not anchored", so it cannot be anchored.
    error ZeroRoot();

    /// The decision is not in a tree that this writer anchored.
    error NotLogged(
        address writer,
        address account,
        address agent,
        uint256 size,
        uint256 index,
        bytes32 leaf
    );

    /// Announces the tree of (account, agent). Reads and writes no storage; reverts never.
    /// @param size Number of leaves.
    /// @param root RFC 9162 root of the tree.
    function commit(address account, address agent, uint256 size, bytes32 root) external;

    /// Stores the root of the tree of (account, agent), for (msg.sender, account, agent, size) and for good.
    /// @param size Number of leaves, more than the last anchored size.
    /// @param root RFC 9162 root of the tree, not zero.
    function anchor(address account, address agent, uint256 size, bytes32 root) external;

    /// Size of the tree that `writer` anchored last for (account, agent), zero if none. Leaves.
    function sizeOf(address writer, address account, address agent) external view returns (uint256);

    /// Root that `writer` anchored for (account, agent) at `size`, zero if none.
    function rootOf(
        address writer,
        address account,
        address agent,
        uint256 size
    ) external view returns (bytes32);

    /// The agent that produced a decision: `inclusion.agent` if the decision is in the anchored tree, else zero.
    function producerOf(Inclusion calldata inclusion) external view returns (address);

    /// Reverts with `NotLogged` unless the decision is in the anchored tree.
    function requireLogged(Inclusion calldata inclusion) external view;
}
