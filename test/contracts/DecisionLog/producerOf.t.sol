// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Inclusion} from "../../../contracts/interfaces/IDecisionLog.sol";
import {InclusionTest} from "../base/InclusionTest.sol";

contract ProducerOfTest is InclusionTest {
    function test_producerOf_everyLeafOfEveryTree() public {
        for (uint256 size = 1; size <= 20; ++size) {
            log.anchor(ACCOUNT, AGENT, size, rootOf(0, size));
            for (uint256 index = 0; index < size; ++index) {
                Inclusion memory i = Inclusion(
                    address(this),
                    ACCOUNT,
                    AGENT,
                    size,
                    index,
                    leafOf(index),
                    pathOf(0, size, index)
                );
                assertEq(log.producerOf(i), AGENT);
                log.requireLogged(i);
                for (uint256 wrong = 0; wrong <= size; ++wrong) {
                    if (wrong == index) continue;
                    i.index = wrong;
                    assertEq(log.producerOf(i), address(0));
                }
            }
        }
    }

    function test_producerOf_isTheAgentOfTheTree(
        address writer,
        address account,
        address agent,
        uint256 size,
        uint256 index
    ) public {
        size = bound(size, 1, 40);
        index = bound(index, 0, size - 1);
        Inclusion memory i = Inclusion(
            writer,
            account,
            agent,
            size,
            index,
            leafOf(index),
            pathOf(0, size, index)
        );
        otherSize(i, 0);
        bytes32 root = rootOf(0, size);
        vm.prank(writer);
        log.anchor(account, agent, size, root);
        assertEq(log.producerOf(i), agent);
    }
}
