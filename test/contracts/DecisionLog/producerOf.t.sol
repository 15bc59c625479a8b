// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DecisionLog} from "../../../contracts/DecisionLog.sol";
import {IDecisionLog, Inclusion} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Test} from "../base/Test.sol";

/// Inclusion against a tree built by the definition of RFC 9162 §2.1.1.
contract ProducerOfTest is Test {
    DecisionLog private immutable log = new DecisionLog();
    address private constant ACCOUNT = address(0xacc);
    address private constant AGENT = address(0xa6e);

    function _leaf(uint256 index) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0), keccak256(abi.encode(index))));
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }

    function _split(uint256 size) private pure returns (uint256 k) {
        k = 1;
        while (2 * k < size) k *= 2;
    }

    function _root(uint256 from, uint256 size) private pure returns (bytes32) {
        if (size == 1) return _leaf(from);
        uint256 k = _split(size);
        return _node(_root(from, k), _root(from + k, size - k));
    }

    function _path(uint256 from, uint256 size, uint256 index) private pure returns (bytes32[] memory path) {
        if (size == 1) return path;
        uint256 k = _split(size);
        bytes32[] memory below = index < k ? _path(from, k, index) : _path(from + k, size - k, index - k);
        path = new bytes32[](below.length + 1);
        for (uint256 i = 0; i < below.length; ++i) path[i] = below[i];
        path[below.length] = index < k ? _root(from + k, size - k) : _root(from, k);
    }

    function _anchored(uint256 size, uint256 index) private returns (Inclusion memory) {
        log.anchor(ACCOUNT, AGENT, size, _root(0, size));
        return Inclusion(address(this), ACCOUNT, AGENT, size, index, _leaf(index), _path(0, size, index));
    }

    function _missing(Inclusion memory i) private {
        assertEq(log.producerOf(i), address(0));
        vm.expectRevert(
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
        log.requireLogged(i);
    }

    function test_producerOf_everyLeafOfEveryTree() public {
        for (uint256 size = 1; size <= 20; ++size) {
            log.anchor(ACCOUNT, AGENT, size, _root(0, size));
            for (uint256 index = 0; index < size; ++index) {
                Inclusion memory i = Inclusion(
                    address(this),
                    ACCOUNT,
                    AGENT,
                    size,
                    index,
                    _leaf(index),
                    _path(0, size, index)
                );
                assertEq(log.producerOf(i), AGENT);
                log.requireLogged(i);
                for (uint256 wrong = 0; wrong <= size; ++wrong) {
                    if (wrong == index) continue;
                    i.index = wrong;
                    assertEq(log.producerOf(i), address(0));
                }
            }
        }
    }

    function test_requireLogged_reverts_otherLeaf(uint256 size, uint256 index, bytes32 leaf) public {
        size = bound(size, 1, 40);
        Inclusion memory i = _anchored(size, bound(index, 0, size - 1));
        vm.assume(leaf != i.leaf);
        i.leaf = leaf;
        _missing(i);
    }

    function test_requireLogged_reverts_otherPath(uint256 size, uint256 index, uint256 at) public {
        size = bound(size, 2, 40);
        Inclusion memory i = _anchored(size, bound(index, 0, size - 1));
        at = bound(at, 0, i.path.length - 1);
        i.path[at] = ~i.path[at];
        _missing(i);
    }

    function test_requireLogged_reverts_pathTooShortOrLong(uint256 size, uint256 index) public {
        size = bound(size, 2, 40);
        Inclusion memory i = _anchored(size, bound(index, 0, size - 1));
        bytes32[] memory path = i.path;
        i.path = new bytes32[](path.length - 1);
        for (uint256 j = 0; j < i.path.length; ++j) i.path[j] = path[j];
        _missing(i);
        i.path = new bytes32[](path.length + 1);
        for (uint256 j = 0; j < path.length; ++j) i.path[j] = path[j];
        _missing(i);
    }

    /// A node with the rest of a path is not a decision, at any index.
    function test_requireLogged_reverts_nodeAsLeaf(uint256 size, uint256 index) public {
        size = bound(size, 2, 16);
        Inclusion memory i = _anchored(size, 0);
        i.leaf = _node(_leaf(0), _leaf(1));
        bytes32[] memory path = i.path;
        i.path = new bytes32[](path.length - 1);
        for (uint256 j = 1; j < path.length; ++j) i.path[j - 1] = path[j];
        i.index = bound(index, 0, size);
        _missing(i);
    }

    function test_requireLogged_reverts_otherKeys(address someone, uint256 otherSize) public {
        vm.assume(someone != address(this) && someone != ACCOUNT && someone != AGENT);
        Inclusion memory i = _anchored(7, 3);
        i.writer = someone;
        _missing(i);
        i.writer = address(this);
        i.account = someone;
        _missing(i);
        i.account = ACCOUNT;
        i.agent = someone;
        _missing(i);
        i.agent = AGENT;
        vm.assume(otherSize != 7);
        i.size = otherSize;
        _missing(i);
    }

    /// A tree that was never anchored has root zero; nothing is in it.
    function test_requireLogged_reverts_rootZero() public {
        bytes32[] memory none = new bytes32[](0);
        _missing(Inclusion(address(this), ACCOUNT, AGENT, 1, 0, 0, none));
    }
}
