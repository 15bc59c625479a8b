// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy, Status, Usage} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

contract GrantTest is AccountTest {
    function _refused(Grant memory terms, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(owner);
        account.grant(terms);
    }

    function test_grant_installs() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = account.policyIdOf(terms);
        bytes24 packed = account.termsOf(terms);
        vm.expectEmit(address(account));
        emit ISpendPolicy.Granted(address(account), policyId, agent, terms.asset, terms.payees, packed, 0);
        assertEq(install(terms), policyId);
        assertEq(account.counters(policyId), uint256(1) << 248);
    }

    /// What is not plain is told in full; without its extras nobody could write the grant down again.
    function test_grant_tellsExtras() public {
        Grant memory terms = standardGrant();
        vm.recordLogs();
        install(terms);
        assertEq(vm.getRecordedLogs().length, 1);
        terms.extras.operations = 3;
        vm.expectEmit(address(account));
        emit ISpendPolicy.ExtrasGranted(address(account), account.policyIdOf(terms), terms.extras);
        install(terms);
    }

    function test_grant_byOwnersOperation() public {
        Grant memory terms = standardGrant();
        send(ownerOp(single(address(account), 0, abi.encodeCall(account.grant, (terms)))));
        send(draft(terms));
    }

    function test_grant_againKeepsCounters() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        send(draft(terms));
        uint256 before = account.counters(policyId);
        vm.prank(owner);
        account.revokeAll();
        install(terms);
        assertEq(account.counters(policyId), before | (uint256(1) << 232));
        Usage memory used = account.usage(policyId);
        assertTrue(used.status == Status.Granted && used.epoch == 1, "not granted anew");
    }

    function test_grant_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.grant(standardGrant());
    }

    function test_grant_reverts_alreadyGranted() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        _refused(terms, abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, policyId));
    }

    function test_grant_reverts_alreadyRevoked(bool used) public {
        Grant memory terms = standardGrant();
        bytes32 policyId = account.policyIdOf(terms);
        if (used) install(terms);
        vm.prank(owner);
        account.revoke(policyId);
        _refused(terms, abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, policyId));
        vm.prank(owner);
        account.revokeAll();
        _refused(terms, abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, policyId));
    }

    function test_grant_reverts_zeroAgent() public {
        Grant memory terms = standardGrant();
        terms.agent = address(0);
        _refused(terms, abi.encodeWithSelector(ISpendPolicy.ZeroAgent.selector));
    }

    function test_grant_reverts_bucketTooShort(uint256 bucket) public {
        Grant memory terms = standardGrant();
        terms.bucket = bound(bucket, 0, 299);
        _refused(terms, abi.encodeWithSelector(ISpendPolicy.BucketTooShort.selector, terms.bucket, 300));
    }

    function test_grant_reverts_assetNotAllowed() public {
        address[3] memory own = [address(account), address(entryPoint), address(log)];
        for (uint256 i = 0; i < 3; ++i) {
            Grant memory terms = standardGrant();
            terms.asset = own[i];
            _refused(terms, abi.encodeWithSelector(ISpendPolicy.AssetNotAllowed.selector, own[i]));
        }
    }

    function test_grant_reverts_termsNotRepresentable() public {
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.TermsNotRepresentable.selector);
        for (uint256 i = 0; i < 10; ++i) {
            Grant memory terms = standardGrant();
            if (i == 0) terms.perCall += 1;
            if (i == 1) terms.perWindow += 1;
            if (i == 2) terms.lifetime += 1;
            if (i == 3) terms.gasBudget += 1;
            if (i == 4) terms.feeCap += 1;
            if (i == 5) terms.bucket = 1 << 24;
            if (i == 6) terms.expiry = 1 << 32;
            if (i == 7) terms.salt = 1 << 20;
            if (i == 8) terms.lifetime = type(uint256).max;
            if (i == 9) terms.gasBudget = 10 ** 76;
            _refused(terms, reason);
        }
    }

    /// The old epoch is gone, not mixed with the new one: granted in 1 and again in 2 it is live in 2, and not in 3.
    function test_grant_againInALaterEpoch() public {
        Grant memory terms = standardGrant();
        for (uint256 epoch = 0; epoch < 4; ++epoch) {
            bytes32 policyId = install(terms);
            assertEq(account.usage(policyId).epoch, epoch);
            send(draft(terms));
            vm.prank(owner);
            account.revokeAll();
            refused(draft(terms), notGranted(terms));
        }
    }
}
