// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy, Status, Usage} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract GrantTest is ValidatorTest {
    function _refused(Grant memory terms, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(owner);
        module.grant(address(account), terms);
    }

    function test_grant_installs() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = policyIdOf(terms);
        bytes24 packed = termsOf(terms);
        vm.expectEmit(address(module));
        emit ISpendPolicy.Granted(address(account), policyId, agent, terms.asset, terms.payees, packed, 0);
        assertEq(install(terms), policyId);
        assertEq(module.counters(address(account), policyId), uint256(1) << 248);
        assertEq(module.counters(address(bare), policyId), 0);
    }

    function test_grant_byTheAccount() public {
        send(rootCall(abi.encodeCall(module.grant, (address(account), standardGrant()))));
        send(draft(standardGrant()));
    }

    /// Without an owner the account alone grants.
    function test_grant_withoutOwner() public {
        use(newAccount(hookedImplementation, ""));
        vm.expectRevert(notOwner(owner));
        install(standardGrant());
        send(rootCall(abi.encodeCall(module.grant, (address(account), standardGrant()))));
        send(draft(standardGrant()));
    }

    function test_grant_againKeepsCounters() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        send(draft(terms));
        uint256 before = module.counters(address(account), policyId);
        vm.prank(owner);
        module.revokeAll(address(account));
        install(terms);
        assertEq(module.counters(address(account), policyId), before | (uint256(1) << 232));
        Usage memory used = module.usage(address(account), policyId);
        assertTrue(used.status == Status.Granted && used.epoch == 1, "not granted anew");
    }

    function test_grant_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        module.grant(address(account), standardGrant());
    }

    /// Nobody is the owner of an account that never installed the module: not even zero.
    function test_grant_reverts_strangers(address stranger) public {
        vm.assume(stranger != owner && stranger != address(hooked) && stranger != address(bare));
        vm.expectRevert(notOwner(owner));
        vm.prank(owner);
        module.grant(stranger, standardGrant());
    }

    function test_grant_reverts_alreadyGranted() public {
        bytes32 policyId = install(standardGrant());
        _refused(standardGrant(), abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, policyId));
    }

    function test_grant_reverts_ownPartsAsAsset() public {
        address[6] memory own = [
            address(account),
            address(module),
            address(log),
            address(0x70),
            address(entryPoint),
            address(0x90)
        ];
        for (uint256 i = 0; i < own.length; ++i) {
            Grant memory terms = standardGrant();
            terms.asset = own[i];
            _refused(terms, abi.encodeWithSelector(ISpendPolicy.AssetNotAllowed.selector, own[i]));
        }
    }

    function test_grant_reverts_badTerms() public {
        Grant memory terms = standardGrant();
        terms.agent = address(0);
        _refused(terms, abi.encodeWithSelector(ISpendPolicy.ZeroAgent.selector));
        terms = standardGrant();
        terms.bucket = 299;
        _refused(terms, abi.encodeWithSelector(ISpendPolicy.BucketTooShort.selector, 299, 300));
        terms = standardGrant();
        terms.perCall += 1;
        _refused(terms, abi.encodeWithSelector(ISpendPolicy.TermsNotRepresentable.selector));
        terms = standardGrant();
        terms.extras.functions = 16;
        _refused(terms, abi.encodeWithSelector(ISpendPolicy.TermsNotRepresentable.selector));
    }
}
