// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DecisionLog} from "../../../contracts/DecisionLog.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Test} from "../base/Test.sol";

contract CommitTest is Test {
    DecisionLog private immutable log = new DecisionLog();

    function test_commit_emitsAndStoresNothing(
        address writer,
        address account,
        address agent,
        uint256 size,
        bytes32 root
    ) public {
        vm.expectEmit(address(log));
        emit IDecisionLog.Committed(writer, account, agent, size, root);
        vm.prank(writer);
        log.commit(account, agent, size, root);
        assertEq(log.sizeOf(writer, account, agent), 0);
        assertEq(log.rootOf(writer, account, agent, size), 0);
    }

    /// Unlike an anchor, a commitment may come again, shrink, or have no root; and what is anchored stays.
    function test_commit_leavesAnchorsAlone(
        address writer,
        address account,
        address agent,
        uint256 anchored,
        uint256 size,
        bytes32 root
    ) public {
        anchored = bound(anchored, 1, type(uint256).max);
        vm.prank(writer);
        log.anchor(account, agent, anchored, keccak256("anchored"));
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectEmit(address(log));
            emit IDecisionLog.Committed(writer, account, agent, size, root);
            vm.prank(writer);
            log.commit(account, agent, size, root);
        }
        assertEq(log.sizeOf(writer, account, agent), anchored);
        assertEq(log.rootOf(writer, account, agent, anchored), keccak256("anchored"));
        if (size != anchored) assertEq(log.rootOf(writer, account, agent, size), 0);
    }
}
