// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DecisionLog} from "../../../contracts/DecisionLog.sol";
import {Test} from "../base/Test.sol";

contract SizeOfTest is Test {
    DecisionLog private immutable log = new DecisionLog();

    function test_sizeOf_isTheLastAnchored(
        address writer,
        address account,
        address agent,
        uint64[5] memory steps
    ) public {
        uint256 size = 0;
        assertEq(log.sizeOf(writer, account, agent), size);
        for (uint256 i = 0; i < steps.length; ++i) {
            size += uint256(steps[i]) + 1;
            vm.prank(writer);
            log.anchor(account, agent, size, keccak256(abi.encode(i)));
            assertEq(log.sizeOf(writer, account, agent), size);
        }
    }

    function test_sizeOf_isPerWriterAccountAndAgent(
        address[3] memory keys,
        address[3] memory others,
        uint256 size
    ) public {
        size = bound(size, 1, type(uint256).max);
        vm.assume(keys[0] != others[0] || keys[1] != others[1] || keys[2] != others[2]);
        vm.prank(keys[0]);
        log.anchor(keys[1], keys[2], size, keccak256("root"));
        assertEq(log.sizeOf(others[0], others[1], others[2]), 0);
    }

    function test_sizeOf_isLeftAloneByRefusedAnchor(uint256 stored, uint256 size) public {
        stored = bound(stored, 1, type(uint256).max);
        size = bound(size, 0, stored);
        log.anchor(address(1), address(2), stored, keccak256("root"));
        try log.anchor(address(1), address(2), size, keccak256("other")) {
            assertTrue(false, "shrunk");
        } catch {
            assertEq(log.sizeOf(address(this), address(1), address(2)), stored);
        }
    }
}
