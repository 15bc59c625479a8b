// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant, ISpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

/// The rolling window against one that knows every spend and its second.
contract WindowTest is SpendGrantTest {
    struct Spend {
        uint256 time;
        uint256 amount;
    }

    Spend[] private _spends;

    /// What was spent in the window that ends now, both ends included.
    function _inWindow(uint256 window) private view returns (uint256 sum) {
        for (uint256 i = 0; i < _spends.length; ++i)
            if (_spends[i].time + window >= time) sum += _spends[i].amount;
    }

    /// What the window must have given back by now: all that is older than it and one bucket and a second.
    function _remembered(uint256 window) private view returns (uint256 sum) {
        for (uint256 i = 0; i < _spends.length; ++i)
            if (_spends[i].time + window + window / 6 + 1 > time) sum += _spends[i].amount;
    }

    function _try(AgentSpendGrant memory grant, uint256 amount) private {
        uint32 size_ = uint32(++size);
        vm.prank(agent);
        try grants.spendDirectly(grant, payees[0], amount, Source.Token, size_, "root") {
            _spends.push(Spend(time, amount));
            assertTrue(_inWindow(grant.window) <= grant.perWindow, "over the window's cap");
        } catch (bytes memory reason) {
            assertEq(bytes32(bytes4(reason)), bytes32(ISpendPolicy.OverWindow.selector));
            assertTrue(_remembered(grant.window) + amount > grant.perWindow, "refused too much");
        }
    }

    function test_window_neverMoreThanItsCap(uint256 seed) public {
        AgentSpendGrant memory grant = directGrant();
        grant.window = [uint48(1800), 3600, 86_400, 7_776_000][seed % 4];
        (grant.perCall, grant.perWindow, grant.total) = (20_000, 40_000, 16_000_000);
        grant.validUntil = grant.validAfter + 90 days;
        approve(grant);
        uint256 bucket = grant.window / 6;
        for (uint256 i = 0; i < 40; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256[10] memory pauses = [
                0,
                0,
                1,
                bucket - 1,
                bucket,
                bucket + 1,
                5 * bucket,
                6 * bucket - 1,
                6 * bucket,
                7 * bucket
            ];
            uint256 next = time + pauses[(seed >> 8) % 10];
            if (next > grant.validUntil) break;
            warp(next);
            _try(grant, 1 + ((seed >> 16) % 20_000));
        }
    }

    /// To the second: at the end of the window it is still full, one bucket and a second later it is empty.
    function test_window_comesBack(uint256 offset) public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        warp(START + bound(offset, 0, 4 hours));
        uint256 first = time;
        for (uint256 i = 0; i < 10; ++i) spendDirectly(grant, payees[0], 5 ether);
        bytes memory reason = refusal(ISpendPolicy.OverWindow.selector, 50 ether + 10 ** 15, 50 ether);
        warp(first + 1 days);
        spendDirectlyRefused(grant, payees[0], 1, reason);
        warp(first + 1 days + 4 hours + 1);
        spendDirectly(grant, payees[0], 5 ether);
    }

    /// The present is always served, however long nothing was spent.
    function test_window_isNeverTooOld(uint256 pause) public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        spendDirectly(grant, payees[0], 5 ether);
        warp(time + bound(pause, 0, 29 days));
        spendDirectly(grant, payees[0], 5 ether);
        spendDirectly(grant, payees[0], 5 ether);
    }
}
