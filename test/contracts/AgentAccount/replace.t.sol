// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Extras, Grant, ISpendPolicy, Status, Usage} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {RuledTest} from "../base/RuledTest.sol";

contract ReplaceTest is RuledTest {
    function _replace(Grant memory oldTerms, Grant memory newTerms) private returns (bytes32) {
        vm.prank(owner);
        return account.replace(oldTerms, newTerms);
    }

    function _reverts(Grant memory oldTerms, Grant memory newTerms, bytes memory reason) private {
        vm.prank(owner);
        vm.expectRevert(reason);
        account.replace(oldTerms, newTerms);
    }

    function _pay(Grant memory terms, uint256 amount) private returns (Draft memory d) {
        d = draft(terms);
        d.amount = amount;
    }

    function _usage(Grant memory terms) private view returns (Usage memory) {
        return account.usage(account.policyIdOf(terms));
    }

    function _sum(Usage memory used) private pure returns (uint256 sum) {
        for (uint256 i = 0; i < 8; ++i) sum += used.ring[i];
    }

    function test_replace_carriesEverything() public {
        Grant memory oldTerms = standardGrant();
        bytes32 oldId = install(oldTerms);
        send(_pay(oldTerms, 5 ether));
        warp(time + BUCKET);
        send(_pay(oldTerms, 4 ether));
        Usage memory before = _usage(oldTerms);
        Grant memory newTerms = standardGrant();
        (newTerms.salt, newTerms.expiry, newTerms.perCall) = (2, oldTerms.expiry + 1, 1 ether);
        bytes32 newId = account.policyIdOf(newTerms);
        vm.expectEmit(address(account));
        emit ISpendPolicy.Revoked(address(account), oldId);
        vm.expectEmit(address(account));
        emit ISpendPolicy.Replaced(address(account), oldId, newId);
        assertEq(_replace(oldTerms, newTerms), newId);
        assertEq(keccak256(abi.encode(_usage(newTerms))), keccak256(abi.encode(before)));
        refused(_pay(oldTerms, 1), notGranted(oldTerms));
        assertTrue(_usage(oldTerms).status == Status.Revoked, "not revoked");
        send(_pay(newTerms, 1 ether));
    }

    /// However the terms change: what was spent in the last window, and ever, is at least what it was.
    function test_replace_neverForgets(
        uint256 spend,
        uint256 perWindow,
        uint256 bucket,
        uint8 exponent
    ) public {
        Grant memory oldTerms = standardGrant();
        install(oldTerms);
        spend = bound(spend, 0, 5 ether);
        send(_pay(oldTerms, spend));
        Grant memory newTerms = standardGrant();
        newTerms.salt = 2;
        newTerms.bucket = bound(bucket, 300, type(uint24).max);
        newTerms.perWindow = bound(perWindow, 1, 65_535) * 10 ** bound(exponent, 0, 18);
        (newTerms.perCall, newTerms.lifetime) = (newTerms.perWindow, newTerms.perWindow);
        _replace(oldTerms, newTerms);
        if (newTerms.perWindow <= spend) {
            Draft memory d = _pay(newTerms, 1);
            assertTrue(!trySend(build(d)), "paid again");
        } else if (newTerms.perWindow > spend + 1 ether && newTerms.perWindow < 10 ether) {
            uint256 left = newTerms.perWindow - spend;
            assertTrue(!trySend(build(_pay(newTerms, left + 1))), "paid too much");
        }
        Usage memory used = _usage(newTerms);
        uint256 unit = 1;
        while (newTerms.perWindow / unit > 65_535) unit *= 10;
        assertTrue(used.spent * unit >= spend || used.spent == type(uint24).max, "lifetime forgot");
        assertTrue(_sum(used) * unit >= spend || _sum(used) >= 65_535, "window forgot");
    }

    /// What once was too much for its field may have been anything.
    function test_replace_throughNarrowTerms() public {
        Grant memory oldTerms = standardGrant();
        install(oldTerms);
        send(_pay(oldTerms, 5 ether));
        Grant memory narrow = standardGrant();
        (narrow.salt, narrow.perCall, narrow.perWindow, narrow.lifetime) = (2, 1, 1, 1);
        uint256 newest = _usage(oldTerms).newestBucket;
        _replace(oldTerms, narrow);
        Grant memory newTerms = standardGrant();
        newTerms.salt = 3;
        _replace(narrow, newTerms);
        assertEq(_usage(newTerms).newestBucket, newest);
        assertEq(_usage(newTerms).spent, type(uint24).max);
        assertEq(_usage(newTerms).ring[0], type(uint16).max);
    }

    function test_replace_ofAnotherEpoch() public {
        Grant memory oldTerms = standardGrant();
        install(oldTerms);
        send(_pay(oldTerms, 5 ether));
        vm.prank(owner);
        account.revokeAll();
        Grant memory newTerms = standardGrant();
        newTerms.salt = 2;
        _replace(oldTerms, newTerms);
        assertEq(_usage(newTerms).spent, 5000);
        assertEq(_usage(newTerms).epoch, 1);
        send(_pay(newTerms, 1 ether));
    }

    /// A new key of the agent: counters go on, its tree begins anew.
    function test_replace_agent() public {
        Grant memory oldTerms = standardGrant();
        install(oldTerms);
        send(_pay(oldTerms, 5 ether));
        Grant memory newTerms = standardGrant();
        newTerms.agent = other;
        _replace(oldTerms, newTerms);
        assertEq(_usage(newTerms).size, 0);
        assertEq(_usage(newTerms).spent, 5000);
        Draft memory d = _pay(newTerms, 1 ether);
        (d.agentKey, d.size) = (OTHER_KEY, 1);
        send(d);
        refused(_pay(oldTerms, 1), notGranted(oldTerms));
    }

    function test_replace_carriesTheNumberOfOperations() public {
        Extras memory extras;
        extras.operations = 2;
        Grant memory oldTerms = grantWith(extras);
        install(oldTerms);
        send(build(oldTerms, payment(3, 1), payeePath(3)));
        Grant memory newTerms = grantWith(extras);
        (newTerms.salt, newTerms.bucket) = (2, BUCKET / 2);
        _replace(oldTerms, newTerms);
        send(build(newTerms, payment(3, 1), payeePath(3)));
        refused(
            build(newTerms, payment(3, 1), payeePath(3)),
            abi.encodeWithSelector(ISpendPolicy.TooManyOperations.selector, uint256(3), uint256(2))
        );
    }

    /// Operations are counted one by one, whatever units the money is counted in.
    function test_replace_carriesTheNumberOfOperationsIntoOtherUnits() public {
        Extras memory extras;
        (extras.operations, extras.operationsPerWindow) = (3, 3);
        Grant memory oldTerms = grantWith(extras);
        install(oldTerms);
        send(build(oldTerms, payment(3, 1), payeePath(3)));
        send(build(oldTerms, payment(3, 1), payeePath(3)));
        uint256 counted = account.operationCounters(account.policyIdOf(oldTerms));
        Grant memory newTerms = grantWith(extras);
        (newTerms.lifetime, newTerms.gasBudget) = (1_000_000 ether, 1000 ether);
        _replace(oldTerms, newTerms);
        assertEq(account.operationCounters(account.policyIdOf(newTerms)), counted);
        send(build(newTerms, payment(3, 1), payeePath(3)));
        refused(
            build(newTerms, payment(3, 1), payeePath(3)),
            abi.encodeWithSelector(ISpendPolicy.TooManyOperations.selector, uint256(4), uint256(3))
        );
        counted = account.operationCounters(account.policyIdOf(newTerms));
        Grant memory finest = grantWith(extras);
        (finest.perCall, finest.perWindow, finest.lifetime) = (50_000, 50_000, 50_000);
        _replace(newTerms, finest);
        assertEq(account.operationCounters(account.policyIdOf(finest)), counted);
    }

    /// Neither twice, nor by what is in force or was.
    function test_replace_reverts_newIsKnown() public {
        Grant memory first = standardGrant();
        Grant memory second = standardGrant();
        second.salt = 2;
        install(first);
        bytes32 secondId = install(second);
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, secondId);
        _reverts(first, second, reason);
        vm.prank(owner);
        account.revokeAll();
        _reverts(first, second, reason);
        vm.prank(owner);
        account.revoke(secondId);
        _reverts(first, second, reason);
        _reverts(
            first,
            first,
            abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, account.policyIdOf(first))
        );
    }

    function test_replace_reverts_oldIsNotGranted() public {
        Grant memory first = standardGrant();
        Grant memory second = standardGrant();
        second.salt = 2;
        _reverts(first, second, notGranted(first));
        bytes32 policyId = account.policyIdOf(first);
        vm.prank(owner);
        account.revoke(policyId);
        _reverts(first, second, abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, policyId));
    }

    function test_replace_reverts_otherAsset(address asset) public {
        vm.assume(asset != address(token));
        Grant memory first = standardGrant();
        Grant memory second = standardGrant();
        second.asset = asset;
        install(first);
        _reverts(
            first,
            second,
            abi.encodeWithSelector(ISpendPolicy.AssetDiffers.selector, address(token), asset)
        );
    }

    function test_replace_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        Grant memory first = standardGrant();
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.replace(first, first);
    }
}
