// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DecisionLog} from "../../../contracts/DecisionLog.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Test} from "../base/Test.sol";

contract AnchorTest is Test {
    DecisionLog private immutable log = new DecisionLog();
    address private constant ACCOUNT = address(0xacc);
    address private constant AGENT = address(0xa6e);

    function test_anchor_stores(
        address writer,
        address account,
        address agent,
        uint256 size,
        bytes32 root
    ) public {
        size = bound(size, 1, type(uint256).max);
        vm.assume(root != 0);
        vm.expectEmit(address(log));
        emit IDecisionLog.Anchored(writer, account, agent, size, root);
        vm.prank(writer);
        log.anchor(account, agent, size, root);
        assertEq(log.sizeOf(writer, account, agent), size);
        assertEq(log.rootOf(writer, account, agent, size), root);
    }

    /// Nobody can write, or stand in the way of, what somebody else anchors.
    function test_anchor_isPerWriterAccountAndAgent(address writer, address squatter) public {
        vm.assume(writer != squatter);
        vm.prank(squatter);
        log.anchor(ACCOUNT, AGENT, type(uint256).max, keccak256("squatted"));
        assertEq(log.sizeOf(writer, ACCOUNT, AGENT), 0);
        vm.prank(writer);
        log.anchor(ACCOUNT, AGENT, 1, keccak256("1"));
        assertEq(log.sizeOf(writer, AGENT, ACCOUNT), 0);
        assertEq(log.rootOf(writer, AGENT, ACCOUNT, 1), 0);
        assertEq(log.rootOf(squatter, ACCOUNT, AGENT, 1), 0);
    }

    function test_anchor_keepsEarlierRoots() public {
        log.anchor(ACCOUNT, AGENT, 1, keccak256("1"));
        log.anchor(ACCOUNT, AGENT, 9, keccak256("9"));
        assertEq(log.rootOf(address(this), ACCOUNT, AGENT, 1), keccak256("1"));
        assertEq(log.rootOf(address(this), ACCOUNT, AGENT, 9), keccak256("9"));
    }

    function test_anchor_reverts_sizeNotGrown(uint256 stored, uint256 size) public {
        stored = bound(stored, 1, type(uint256).max);
        size = bound(size, 0, stored);
        log.anchor(ACCOUNT, AGENT, stored, keccak256("root"));
        vm.expectRevert(abi.encodeWithSelector(IDecisionLog.SizeNotGrown.selector, size, stored));
        log.anchor(ACCOUNT, AGENT, size, keccak256("other"));
    }

    function test_anchor_reverts_zeroRoot() public {
        vm.expectRevert(IDecisionLog.ZeroRoot.selector);
        log.anchor(ACCOUNT, AGENT, 1, 0);
    }
}
