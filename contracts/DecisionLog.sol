// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDecisionLog, Inclusion} from "./interfaces/IDecisionLog.sol";
import {DecisionTree} from "./libraries/DecisionTree.sol";

/// `IDecisionLog` is its manual.
contract DecisionLog is IDecisionLog {
    /// Last anchored size. The account is the innermost key (ERC-7562 STO-021): its own validation may touch its slots.
    mapping(address writer => mapping(address agent => mapping(address account => uint256 size)))
        private _sizes;

    /// Anchored roots, keyed like the sizes.
    mapping(address writer => mapping(address agent => mapping(uint256 size => mapping(address account => bytes32 root))))
        private _roots;

    /// @inheritdoc IDecisionLog
    function commit(address account, address agent, uint256 size, bytes32 root) external {
        emit Committed(msg.sender, account, agent, size, root);
    }

    /// @inheritdoc IDecisionLog
    function anchor(address account, address agent, uint256 size, bytes32 root) external {
        uint256 stored = _sizes[msg.sender][agent][account];
        if (size <= stored) revert SizeNotGrown(size, stored);
        if (root == 0) revert ZeroRoot();
        _sizes[msg.sender][agent][account] = size;
        _roots[msg.sender][agent][size][account] = root;
        emit Anchored(msg.sender, account, agent, size, root);
    }

    /// @inheritdoc IDecisionLog
    function sizeOf(address writer, address account, address agent) external view returns (uint256) {
        return _sizes[writer][agent][account];
    }

    /// @inheritdoc IDecisionLog
    function rootOf(
        address writer,
        address account,
        address agent,
        uint256 size
    ) public view returns (bytes32) {
        return _roots[writer][agent][size][account];
    }

    /// @inheritdoc IDecisionLog
    function producerOf(Inclusion calldata inclusion) external view returns (address) {
        return _isLogged(inclusion) ? inclusion.agent : address(0);
    }

    /// @inheritdoc IDecisionLog
    function requireLogged(Inclusion calldata inclusion) external view {
        if (_isLogged(inclusion)) return;
        revert NotLogged(
            inclusion.writer,
            inclusion.account,
            inclusion.agent,
            inclusion.size,
            inclusion.index,
            inclusion.leaf
        );
    }

    /// A tree that was not anchored has the root zero, and no leaf leads there.
    function _isLogged(Inclusion calldata inclusion) private view returns (bool) {
        bytes32 root = rootOf(inclusion.writer, inclusion.account, inclusion.agent, inclusion.size);
        return
            root != 0 &&
            DecisionTree.isIncluded(inclusion.leaf, inclusion.index, inclusion.size, inclusion.path, root);
    }
}
