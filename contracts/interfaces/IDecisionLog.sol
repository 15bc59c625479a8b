// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Where one decision stands in the newest anchored tree, and how to get from it to the tree's root.
/// @param writer Who anchored the tree. Anybody may write; only the account itself, or somebody the reader trusts, counts.
/// @param account Account the decisions are about.
/// @param agent Agent that took them.
/// @param size Number of leaves of that tree. A larger one makes the path old: make it anew.
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
/// `anchor` stores the newest tree, so that contracts can check decisions against it. Trees only append, so the newest one
/// holds every decision of the ones before. That they do is for readers to check: every root has its event, in full, and
/// RFC 9162 has consistency proofs.
///
/// What is stored of a tree is its size and a fingerprint: the first 28 bytes of keccak256(size ‖ root), 32 bytes each. To
/// get a decision into somebody else's tree takes 2^224 hashes. A writer who looks for two trees of one size with the same
/// fingerprint, to show contracts a decision that the published tree does not hold, needs 2^112
/// (docs/decisions/0004-one-slot-anchor.md).
interface IDecisionLog {
    /// A writer announced the tree of (account, agent). `size` counts leaves.
    event Committed(
        address indexed writer,
        address indexed account,
        address indexed agent,
        uint256 size,
        bytes32 root
    );

    /// A writer stored the tree of (account, agent). `size` counts leaves.
    event Anchored(
        address indexed writer,
        address indexed account,
        address indexed agent,
        uint256 size,
        bytes32 root
    );

    /// Anchored trees grow: `actual` must be larger than `stored`. Leaves.
    error SizeNotGrown(uint256 actual, uint256 stored);

    /// Sizes are kept in 32 bits: `actual` may be `allowed` at most. Leaves.
    error SizeTooLarge(uint256 actual, uint256 allowed);

    /// The proof is for a tree of `actual` leaves, and the newest one this writer anchored has `stored` (zero: none).
    error OtherSize(uint256 actual, uint256 stored);

    /// The decision is not in the tree that this writer anchored last.
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

    /// Stores the tree of (account, agent) for (msg.sender, account, agent), in place of the one before.
    /// @param size Number of leaves, more than the last anchored size and below 2^32.
    /// @param root RFC 9162 root of the tree.
    function anchor(address account, address agent, uint256 size, bytes32 root) external;

    /// The tree that `writer` anchored last for (account, agent); zeros if none.
    /// @return size Number of leaves.
    /// @return fingerprint First 28 bytes of keccak256(size ‖ root); the event `Anchored` has the root.
    function treeOf(
        address writer,
        address account,
        address agent
    ) external view returns (uint256 size, bytes28 fingerprint);

    /// The agent that produced a decision: `inclusion.agent` if the decision is in the newest anchored tree, else zero.
    function producerOf(Inclusion calldata inclusion) external view returns (address);

    /// Reverts with `OtherSize` or `NotLogged` unless the decision is in the newest anchored tree.
    function requireLogged(Inclusion calldata inclusion) external view;
}
