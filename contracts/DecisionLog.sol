// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDecisionLog, Inclusion} from "./interfaces/IDecisionLog.sol";
import {DecisionTree} from "./libraries/DecisionTree.sol";

/// `IDecisionLog` is its manual.
contract DecisionLog is IDecisionLog {
    /// The newest anchored tree: its fingerprint in the high 224 bits, its size in the low 32. One word, because a second one
    /// would cost every anchor 4,840 gas more (docs/decisions/0004-one-slot-anchor.md). Zero: nothing is anchored.
    /// The account is the innermost key (ERC-7562 STO-021): its own validation may touch its slots.
    mapping(address writer => mapping(address agent => mapping(address account => uint256 tree)))
        private _trees;

    /// @inheritdoc IDecisionLog
    function commit(address account, address agent, uint256 size, bytes32 root) external {
        emit Committed(msg.sender, account, agent, size, root);
    }

    /// @inheritdoc IDecisionLog
    function anchor(address account, address agent, uint256 size, bytes32 root) external {
        mapping(address account => uint256 tree) storage trees = _trees[msg.sender][agent];
        uint256 stored = uint32(trees[account]);
        if (size <= stored) revert SizeNotGrown(size, stored);
        if (size > type(uint32).max) revert SizeTooLarge(size, type(uint32).max);
        // By hand: the compiler's packing of a struct costs 240 gas more.
        trees[account] = uint256(bytes32(DecisionTree.fingerprintOf(size, root))) | size;
        emit Anchored(msg.sender, account, agent, size, root);
    }

    /// @inheritdoc IDecisionLog
    function treeOf(
        address writer,
        address account,
        address agent
    ) public view returns (uint256 size, bytes28 fingerprint) {
        uint256 tree = _trees[writer][agent][account];
        return (uint32(tree), bytes28(bytes32(tree)));
    }

    /// @inheritdoc IDecisionLog
    function producerOf(Inclusion calldata inclusion) external view returns (address) {
        (uint256 size, bytes28 fingerprint) = treeOf(inclusion.writer, inclusion.account, inclusion.agent);
        return size == inclusion.size && _holds(fingerprint, inclusion) ? inclusion.agent : address(0);
    }

    /// @inheritdoc IDecisionLog
    function requireLogged(Inclusion calldata inclusion) external view {
        (uint256 size, bytes28 fingerprint) = treeOf(inclusion.writer, inclusion.account, inclusion.agent);
        if (size != inclusion.size) revert OtherSize(inclusion.size, size);
        if (_holds(fingerprint, inclusion)) return;
        revert NotLogged(
            inclusion.writer,
            inclusion.account,
            inclusion.agent,
            inclusion.size,
            inclusion.index,
            inclusion.leaf
        );
    }

    /// A tree that was not anchored has the size zero, and no index is below that.
    function _holds(bytes28 fingerprint, Inclusion calldata inclusion) private pure returns (bool) {
        return
            DecisionTree.isIncluded(
                inclusion.leaf,
                inclusion.index,
                inclusion.size,
                inclusion.path,
                fingerprint
            );
    }
}
