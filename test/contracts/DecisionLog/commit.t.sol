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
}
