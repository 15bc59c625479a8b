// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {InclusionTest} from "../base/InclusionTest.sol";

contract AnchorTest is InclusionTest {
    function test_anchor_stores(
        address writer,
        address account,
        address agent,
        uint256 size,
        bytes32 root
    ) public {
        size = bound(size, 1, LARGEST);
        vm.expectEmit(address(log));
        emit IDecisionLog.Anchored(writer, account, agent, size, root);
        vm.prank(writer);
        log.anchor(account, agent, size, root);
        holds(writer, account, agent, size, root);
    }

    /// Nobody can write, or stand in the way of, what somebody else anchors.
    function test_anchor_isPerWriterAccountAndAgent(address writer, address squatter) public {
        vm.assume(writer != squatter);
        vm.prank(squatter);
        log.anchor(ACCOUNT, AGENT, LARGEST, keccak256("squatted"));
        holdsNone(writer, ACCOUNT, AGENT);
        vm.prank(writer);
        log.anchor(ACCOUNT, AGENT, 1, keccak256("1"));
        holds(writer, ACCOUNT, AGENT, 1, keccak256("1"));
        holds(squatter, ACCOUNT, AGENT, LARGEST, keccak256("squatted"));
        holdsNone(writer, AGENT, ACCOUNT);
    }

    function test_anchor_replacesTheOneBefore() public {
        log.anchor(ACCOUNT, AGENT, 1, keccak256("1"));
        log.anchor(ACCOUNT, AGENT, 9, keccak256("9"));
        holds(address(this), ACCOUNT, AGENT, 9, keccak256("9"));
    }

    /// Zero is a root like any other: that nothing is anchored is told by the size.
    function test_anchor_takesRootZero() public {
        log.anchor(ACCOUNT, AGENT, 1, 0);
        holds(address(this), ACCOUNT, AGENT, 1, 0);
    }

    function test_anchor_reverts_sizeNotGrown(uint256 stored, uint256 size) public {
        stored = bound(stored, 1, LARGEST);
        size = bound(size, 0, stored);
        log.anchor(ACCOUNT, AGENT, stored, keccak256("root"));
        vm.expectRevert(abi.encodeWithSelector(IDecisionLog.SizeNotGrown.selector, size, stored));
        log.anchor(ACCOUNT, AGENT, size, keccak256("other"));
        holds(address(this), ACCOUNT, AGENT, stored, keccak256("root"));
    }

    function test_anchor_reverts_sizeZero() public {
        vm.expectRevert(abi.encodeWithSelector(IDecisionLog.SizeNotGrown.selector, 0, 0));
        log.anchor(ACCOUNT, AGENT, 0, keccak256("root"));
    }

    /// A larger size would run into the fingerprint.
    function test_anchor_reverts_sizeTooLarge(uint256 size) public {
        size = bound(size, LARGEST + 1, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IDecisionLog.SizeTooLarge.selector, size, LARGEST));
        log.anchor(ACCOUNT, AGENT, size, keccak256("root"));
        holdsNone(address(this), ACCOUNT, AGENT);
    }
}
