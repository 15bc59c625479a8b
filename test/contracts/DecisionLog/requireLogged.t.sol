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

    function test_requireLogged_reverts_otherPath(uint256 size, uint256 index, uint256 at) public {
        size = bound(size, 2, 40);
        Inclusion memory i = anchored(size, bound(index, 0, size - 1));
        at = bound(at, 0, i.path.length - 1);
        i.path[at] = ~i.path[at];
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

    function test_requireLogged_reverts_otherKeys(address someone, uint256 otherSize) public {
        vm.assume(someone != address(this) && someone != ACCOUNT && someone != AGENT);
        Inclusion memory i = anchored(7, 3);
        i.writer = someone;
        missing(i);
        i.writer = address(this);
        i.account = someone;
        missing(i);
        i.account = ACCOUNT;
        i.agent = someone;
        missing(i);
        i.agent = AGENT;
        vm.assume(otherSize != 7);
        i.size = otherSize;
        missing(i);
    }

    /// A tree that was never anchored has root zero; nothing is in it.
    function test_requireLogged_reverts_rootZero() public {
        bytes32[] memory none = new bytes32[](0);
        missing(Inclusion(address(this), ACCOUNT, AGENT, 1, 0, 0, none));
    }
}
