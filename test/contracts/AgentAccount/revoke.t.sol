// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, Status, Usage, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract RevokeTest is AccountTest {
    function test_revoke_endsPolicyAndKeepsCounters() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        send(draft(terms));
        uint256 before = account.counters(policyId);
        vm.expectEmit(address(account));
        emit ISpendPolicy.Revoked(address(account), policyId);
        vm.prank(owner);
        account.revoke(policyId);
        assertEq(account.counters(policyId), uint248(before) | (uint256(2) << 248));
        Usage memory used = account.usage(policyId);
        assertTrue(used.status == Status.Revoked, "status");
        refused(draft(terms), notGranted(terms));
    }

    /// Any id, known or not, once or twice: a stop never fails.
    function test_revoke_neverFails(bytes32 policyId) public {
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(owner);
            account.revoke(policyId);
            assertTrue(account.usage(policyId).status == Status.Revoked, "status");
        }
    }

    function test_revoke_leavesOthers() public {
        Grant memory first = standardGrant();
        Grant memory second = standardGrant();
        second.salt = 2;
        install(first);
        bytes32 policyId = install(second);
        vm.prank(owner);
        account.revoke(policyId);
        send(draft(first));
    }

    function test_revoke_byOwnersOperation() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        send(ownerOp(single(address(account), 0, abi.encodeCall(account.revoke, (policyId)))));
        refused(draft(terms), notGranted(terms));
    }

    function test_revoke_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.revoke(0);
    }
}
