// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DecisionLog} from "../../../contracts/DecisionLog.sol";
import {IDecisionLog, Inclusion} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Test} from "./Test.sol";

/// Trees built by the definition of RFC 9162 §2.1.1, and claims of what is in them.
abstract contract InclusionTest is Test {
    DecisionLog internal immutable log = DecisionLog(
        deploy(codeOf("artifacts/contracts/DecisionLog.sol/DecisionLog.json"))
    );
    address internal constant ACCOUNT = address(0xacc);
    address internal constant AGENT = address(0xa6e);
    /// Largest tree that can be anchored, in leaves.
    uint256 internal constant LARGEST = type(uint32).max;

    /// What the log stores of the tree that was anchored last.
    function holds(address writer, address account, address agent, uint256 size, bytes32 root) internal view {
        (uint256 stored, bytes28 fingerprint) = log.treeOf(writer, account, agent);
        assertEq(stored, size);
        assertEq(fingerprint, bytes28(keccak256(abi.encode(size, root))));
    }

    function holdsNone(address writer, address account, address agent) internal view {
        (uint256 stored, bytes28 fingerprint) = log.treeOf(writer, account, agent);
        assertEq(stored, 0);
        assertEq(fingerprint, bytes28(0));
    }

    function leafOf(uint256 index) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0), keccak256(abi.encode(index))));
    }

    function nodeOf(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }

    function _split(uint256 size) private pure returns (uint256 k) {
        k = 1;
        while (2 * k < size) k *= 2;
    }

    function rootOf(uint256 from, uint256 size) internal pure returns (bytes32) {
        if (size == 1) return leafOf(from);
        uint256 k = _split(size);
        return nodeOf(rootOf(from, k), rootOf(from + k, size - k));
    }

    function pathOf(uint256 from, uint256 size, uint256 index) internal pure returns (bytes32[] memory path) {
        if (size == 1) return path;
        uint256 k = _split(size);
        bytes32[] memory below = index < k ? pathOf(from, k, index) : pathOf(from + k, size - k, index - k);
        path = new bytes32[](below.length + 1);
        for (uint256 i = 0; i < below.length; ++i) path[i] = below[i];
        path[below.length] = index < k ? rootOf(from + k, size - k) : rootOf(from, k);
    }

    /// A tree, anchored, and the claim that one of its leaves is in it.
    function anchored(uint256 size, uint256 index) internal returns (Inclusion memory) {
        log.anchor(ACCOUNT, AGENT, size, rootOf(0, size));
        return Inclusion(address(this), ACCOUNT, AGENT, size, index, leafOf(index), pathOf(0, size, index));
    }

    /// Both functions say that it is not logged.
    function missing(Inclusion memory i) internal {
        refused(
            i,
            abi.encodeWithSelector(
                IDecisionLog.NotLogged.selector,
                i.writer,
                i.account,
                i.agent,
                i.size,
                i.index,
                i.leaf
            )
        );
    }

    /// Both functions refuse a proof for another tree than the newest, which has `stored` leaves.
    function otherSize(Inclusion memory i, uint256 stored) internal {
        refused(i, abi.encodeWithSelector(IDecisionLog.OtherSize.selector, i.size, stored));
    }

    function refused(Inclusion memory i, bytes memory reason) internal {
        assertEq(log.producerOf(i), address(0));
        vm.expectRevert(reason);
        log.requireLogged(i);
    }
}
