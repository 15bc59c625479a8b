// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Inclusion} from "../../../contracts/interfaces/IDecisionLog.sol";
import {InclusionTest} from "../base/InclusionTest.sol";

contract RequireLoggedTest is InclusionTest {
    function test_requireLogged_passesEveryLeaf(uint256 size, uint256 index) public {
        size = bound(size, 1, 40);
        log.requireLogged(anchored(size, bound(index, 0, size - 1)));
    }

    function test_requireLogged_reverts_otherLeaf(uint256 size, uint256 index, bytes32 leaf) public {
        size = bound(size, 1, 40);
        Inclusion memory i = anchored(size, bound(index, 0, size - 1));
        vm.assume(leaf != i.leaf);
        i.leaf = leaf;
        missing(i);
    }

    function test_requireLogged_reverts_otherPath(uint256 size, uint256 index, uint256 height) public {
        size = bound(size, 2, 40);
        Inclusion memory i = anchored(size, bound(index, 0, size - 1));
        height = bound(height, 0, i.path.length - 1);
        i.path[height] = ~i.path[height];
        missing(i);
    }

    function test_requireLogged_reverts_pathTooShortOrLong(uint256 size, uint256 index) public {
        size = bound(size, 2, 40);
        Inclusion memory i = anchored(size, bound(index, 0, size - 1));
        bytes32[] memory path = i.path;
        i.path = new bytes32[](path.length - 1);
        for (uint256 j = 0; j < i.path.length; ++j) i.path[j] = path[j];
        missing(i);
        i.path = new bytes32[](path.length + 1);
        for (uint256 j = 0; j < path.length; ++j) i.path[j] = path[j];
        missing(i);
    }

    /// A node with the rest of a path is not a decision, at any index.
    function test_requireLogged_reverts_nodeAsLeaf(uint256 size, uint256 index) public {
        size = bound(size, 2, 16);
        Inclusion memory i = anchored(size, 0);
        i.leaf = nodeOf(leafOf(0), leafOf(1));
        bytes32[] memory path = i.path;
        i.path = new bytes32[](path.length - 1);
        for (uint256 j = 1; j < path.length; ++j) i.path[j - 1] = path[j];
        i.index = bound(index, 0, size);
        missing(i);
    }

    /// A tree of one leaf is stored as a hash of that leaf: all 32 bytes of it count.
    function test_requireLogged_reverts_otherLastBytesOfTheOnlyLeaf(uint32 flip) public {
        vm.assume(flip != 0);
        Inclusion memory i = anchored(1, 0);
        i.leaf ^= bytes32(uint256(flip));
        missing(i);
    }

    function test_requireLogged_reverts_otherKeys(address someone) public {
        vm.assume(someone != address(this) && someone != ACCOUNT && someone != AGENT);
        Inclusion memory i = anchored(7, 3);
        i.writer = someone;
        otherSize(i, 0);
        i.writer = address(this);
        i.account = someone;
        otherSize(i, 0);
        i.account = ACCOUNT;
        i.agent = someone;
        otherSize(i, 0);
    }

    function test_requireLogged_reverts_otherSize(uint256 size) public {
        vm.assume(size != 7);
        Inclusion memory i = anchored(7, 3);
        i.size = size;
        otherSize(i, 7);
    }

    /// Only the newest tree is stored: an old proof is refused, and a new one of the same decision holds.
    function test_requireLogged_passesEarlierLeavesUnderTheNewestTree(uint256 before, uint256 now_) public {
        before = bound(before, 1, 20);
        now_ = bound(now_, before + 1, 40);
        uint256 index = before - 1;
        Inclusion memory old = anchored(before, index);
        Inclusion memory i = anchored(now_, index);
        otherSize(old, now_);
        log.requireLogged(i);
        assertEq(log.producerOf(i), AGENT);
    }

    /// Where nothing was anchored, nothing is logged: not even in a tree of no leaves.
    function test_requireLogged_reverts_nothingAnchored(uint256 size, bytes32 leaf) public {
        Inclusion memory i;
        (i.writer, i.account, i.agent, i.leaf) = (address(this), ACCOUNT, AGENT, leaf);
        missing(i);
        i.size = bound(size, 1, type(uint256).max);
        otherSize(i, 0);
    }

    /// Root zero may be anchored, and no path leads there.
    function test_requireLogged_reverts_rootZero(uint256 size, uint256 index, bytes32[] memory path) public {
        size = bound(size, 2, LARGEST);
        log.anchor(ACCOUNT, AGENT, size, 0);
        missing(Inclusion(address(this), ACCOUNT, AGENT, size, index, 0, path));
    }
}
