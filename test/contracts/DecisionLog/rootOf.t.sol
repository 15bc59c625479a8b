// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DecisionLog} from "../../../contracts/DecisionLog.sol";
import {Test} from "../base/Test.sol";

contract RootOfTest is Test {
    DecisionLog private immutable log = new DecisionLog();

    /// Every root that was anchored stays, and no size in between has one.
    function test_rootOf_isTheOneAnchored(
        address writer,
        address account,
        address agent,
        uint64[5] memory steps,
        bytes32[5] memory roots
    ) public {
        uint256[5] memory sizes;
        uint256 size = 0;
        for (uint256 i = 0; i < 5; ++i) {
            vm.assume(roots[i] != 0);
            // Steps of two at least: there is a size in between.
            size += uint256(steps[i]) + 2;
            sizes[i] = size;
            vm.prank(writer);
            log.anchor(account, agent, size, roots[i]);
        }
        for (uint256 i = 0; i < 5; ++i) {
            assertEq(log.rootOf(writer, account, agent, sizes[i]), roots[i]);
            assertEq(log.rootOf(writer, account, agent, sizes[i] - 1), 0);
        }
        assertEq(log.rootOf(writer, account, agent, size + 1), 0);
    }

    function test_rootOf_isPerWriterAccountAndAgent(
        address[3] memory keys,
        address[3] memory others,
        uint256 size
    ) public {
        size = bound(size, 1, type(uint256).max);
        vm.assume(keys[0] != others[0] || keys[1] != others[1] || keys[2] != others[2]);
        vm.prank(keys[0]);
        log.anchor(keys[1], keys[2], size, keccak256("root"));
        assertEq(log.rootOf(others[0], others[1], others[2], size), 0);
    }
}
