// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {InclusionTest} from "../base/InclusionTest.sol";

contract TreeOfTest is InclusionTest {
    function test_treeOf_isTheLastAnchored(
        address writer,
        address account,
        address agent,
        uint16[5] memory steps,
        bytes32[5] memory roots
    ) public {
        uint256 size = 0;
        holdsNone(writer, account, agent);
        for (uint256 i = 0; i < steps.length; ++i) {
            size += uint256(steps[i]) + 1;
            vm.prank(writer);
            log.anchor(account, agent, size, roots[i]);
            holds(writer, account, agent, size, roots[i]);
        }
    }

    function test_treeOf_isPerWriterAccountAndAgent(
        address[3] memory keys,
        address[3] memory others,
        uint256 size
    ) public {
        size = bound(size, 1, LARGEST);
        vm.assume(keys[0] != others[0] || keys[1] != others[1] || keys[2] != others[2]);
        vm.prank(keys[0]);
        log.anchor(keys[1], keys[2], size, keccak256("root"));
        holdsNone(others[0], others[1], others[2]);
    }

    /// Size and root are told apart: neither can stand in for the other.
    function test_treeOf_differsWithSizeAndRoot(uint256 size, bytes32 root, bytes32 otherRoot) public {
        size = bound(size, 1, LARGEST - 1);
        vm.assume(root != otherRoot);
        log.anchor(ACCOUNT, AGENT, size, root);
        (, bytes28 first) = log.treeOf(address(this), ACCOUNT, AGENT);
        log.anchor(ACCOUNT, AGENT, size + 1, root);
        (, bytes28 larger) = log.treeOf(address(this), ACCOUNT, AGENT);
        log.anchor(AGENT, ACCOUNT, size, otherRoot);
        (, bytes28 other) = log.treeOf(address(this), AGENT, ACCOUNT);
        assertTrue(first != larger && first != other && larger != other, "same fingerprint");
    }
}
