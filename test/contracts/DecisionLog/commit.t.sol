// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {InclusionTest} from "../base/InclusionTest.sol";

contract CommitTest is InclusionTest {
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
        holdsNone(writer, account, agent);
    }

    /// Unlike an anchor, a commitment may come again, shrink, or have no root; and what is anchored stays.
    function test_commit_leavesAnchorsAlone(
        address writer,
        address account,
        address agent,
        uint256 stored,
        uint256 size,
        bytes32 root
    ) public {
        stored = bound(stored, 1, LARGEST);
        vm.prank(writer);
        log.anchor(account, agent, stored, keccak256("anchored"));
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectEmit(address(log));
            emit IDecisionLog.Committed(writer, account, agent, size, root);
            vm.prank(writer);
            log.commit(account, agent, size, root);
        }
        holds(writer, account, agent, stored, keccak256("anchored"));
    }
}
