// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

/// The last and the first that is allowed.
contract EdgesTest is SpendGrantTest {
    /// What was spent in the last second of a bucket: in the window for its whole length, and for the one second more that the
    /// ring's claim begins before the present.
    function test_edges_lastSecondOfABucket() public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        uint256 bucket = WINDOW / 6;
        uint256 spentAt = (START / bucket + 1) * bucket - 1;
        warp(spentAt);
        for (uint256 i = 0; i < 10; ++i) spendDirectly(grant, payees[0], 5 ether);
        bytes memory reason = refusal(ISpendPolicy.OverWindow.selector, 50 ether + 10 ** 15, 50 ether);
        for (uint256 late = 0; late < 2; ++late) {
            warp(spentAt + WINDOW + late);
            assertEq(grants.budgetOf(grant).leftInWindow, 0);
            spendDirectlyRefused(grant, payees[0], 1, reason);
        }
        warp(spentAt + WINDOW + 2);
        assertEq(grants.budgetOf(grant).leftInWindow, 50 ether);
        spendDirectly(grant, payees[0], 5 ether);
    }

    /// Nobody is left out of the list but the zero address.
    function test_edges_lowestPayee() public {
        AgentSpendGrant memory grant = directGrant();
        grant.payees = new address[](1);
        grant.payees[0] = address(1);
        approve(grant);
        spendDirectly(grant, address(1), 5 ether);
        assertEq(token.balanceOf(address(1)), 5 ether);
    }
}
