// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, Status, Usage} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

contract UsageTest is AccountTest {
    /// erc7201("bursar.AgentAccount") + 3: the counters, behind the head.
    uint256 private constant WORDS =
        uint256(
            keccak256(abi.encode(uint256(keccak256("bursar.AgentAccount")) - 1)) & ~bytes32(uint256(0xff))
        ) + 3;

    function _tellsTheCounters(bytes32 policyId) private view {
        Usage memory used = account.usage(policyId);
        uint256 ring = 0;
        for (uint256 i = 0; i < 8; ++i) ring |= uint256(used.ring[i]) << (16 * i);
        uint256 low = ring | (uint256(used.newestBucket) << 128) | (uint256(used.spent) << 152);
        uint256 high =
            (uint256(used.gasSpent) << 176) |
                (uint256(used.size) << 200) |
                (uint256(used.epoch) << 232) |
                (uint256(used.status) << 248);
        assertEq(account.counters(policyId), low | high);
    }

    function test_usage_tellsAnyCounters(bytes32 policyId, uint248 low, uint8 status) public {
        uint256 word = low | (bound(status, 0, uint256(type(Status).max)) << 248);
        vm.store(address(account), keccak256(abi.encode(policyId, WORDS)), bytes32(word));
        assertEq(account.counters(policyId), word);
        _tellsTheCounters(policyId);
    }

    function test_usage_tellsCountersAfterPayments(uint256 first, uint256 second, uint256 apart) public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        Draft memory d = draft(terms);
        d.amount = bound(first, 0, terms.perCall);
        send(d);
        _tellsTheCounters(policyId);
        warp(time + bound(apart, 0, 10 * BUCKET));
        d = draft(terms);
        d.amount = bound(second, 0, terms.perCall);
        send(d);
        _tellsTheCounters(policyId);
        assertEq(account.usage(policyId).size, d.size);
    }

    function test_usage_tellsTheLifeOfAPolicy(bytes32 stranger) public {
        Grant memory terms = standardGrant();
        bytes32 policyId = account.policyIdOf(terms);
        vm.assume(stranger != policyId);
        assertTrue(account.usage(policyId).status == Status.Unknown, "known before it was granted");
        install(terms);
        assertTrue(account.usage(policyId).status == Status.Granted, "not granted");
        vm.prank(owner);
        account.revoke(policyId);
        assertTrue(account.usage(policyId).status == Status.Revoked, "not revoked");
        assertTrue(account.usage(stranger).status == Status.Unknown, "a stranger is known");
    }
}
