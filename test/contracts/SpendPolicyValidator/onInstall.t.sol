// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ISpendPolicyValidator} from "../../../contracts/interfaces/ISpendPolicyValidator.sol";
import {IOzAccount, ValidatorTest} from "../base/ValidatorTest.sol";

contract OnInstallTest is ValidatorTest {
    function _install(uint256 moduleType, bytes memory data) private {
        bytes memory call = abi.encodeCall(hooked.installModule, (moduleType, address(module), data));
        send(rootOp(single(address(account), 0, call)));
    }

    function _uninstall(uint256 moduleType) private {
        bytes memory call = abi.encodeCall(hooked.uninstallModule, (moduleType, address(module), ""));
        send(rootOp(single(address(account), 0, call)));
    }

    function test_onInstall_namesOwner(address owner_) public {
        vm.expectEmit(address(module));
        emit ISpendPolicyValidator.OwnerSet(address(this), owner_);
        module.onInstall(abi.encodePacked(owner_));
        assertEq(module.owner(address(this)), owner_);
        assertTrue(module.isInitialized(address(this)), "not initialized");
    }

    function test_onInstall_withoutDataKeepsOwner() public {
        module.onInstall("");
        assertEq(module.owner(address(this)), address(0));
        module.onInstall(abi.encodePacked(owner));
        module.onInstall("");
        assertEq(module.owner(address(this)), owner);
        // As test/accounts/OzHookedAccount.sol does, once as validator and once as hook.
        assertEq(module.owner(address(hooked)), owner);
    }

    function test_onInstall_reverts_otherData(bytes calldata data) public {
        vm.assume(data.length != 0 && data.length != 20);
        vm.expectRevert(
            abi.encodeWithSelector(ISpendPolicyValidator.InstallDataNotAllowed.selector, data.length)
        );
        module.onInstall(data);
    }

    /// Counters, epoch, burned salts, guardians and caps survive; grants don't.
    function test_onInstall_againResetsNothing() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        send(draft(terms));
        Grant memory burned = standardGrant();
        burned.salt = 2;
        bytes32 burnedId = policyIdOf(burned);
        vm.prank(owner);
        module.revoke(address(account), burnedId);
        vm.prank(owner);
        module.setGuardian(address(account), other, true);
        vm.prank(owner);
        module.setCap(address(account), address(token), 100 ether, BUCKET);
        uint256 counters = module.counters(address(account), policyId);

        _uninstall(HOOK);
        _uninstall(VALIDATOR);
        assertTrue(!module.isInitialized(address(account)), "still initialized");
        _install(VALIDATOR, abi.encodePacked(owner));
        _install(HOOK, "");

        assertEq(module.epoch(address(account)), 2);
        assertEq(module.counters(address(account), policyId), counters);
        assertTrue(module.isGuardian(address(account), other), "guardian");
        (uint256 cap, ) = module.capOf(address(account), address(token));
        assertEq(cap, 100 ether);
        refused(draft(terms), notGranted(terms));
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, burnedId));
        vm.prank(owner);
        module.grant(address(account), burned);
        // Granting the same again goes on counting where it was.
        install(terms);
        send(draft(terms));
        assertTrue(module.usage(address(account), policyId).spent > 2 * 1234, "counters began anew");
    }

    function test_onInstall_frozenStaysFrozen() public {
        vm.prank(owner);
        module.freeze(address(account));
        _uninstall(HOOK);
        _uninstall(VALIDATOR);
        _install(VALIDATOR, abi.encodePacked(owner));
        assertTrue(module.frozen(address(account)), "unfrozen");
    }

    /// Nobody installs for another account: whoever calls is the account.
    function test_onInstall_touchesCallerOnly(address caller) public {
        vm.assume(caller != address(account) && caller != address(vm));
        vm.prank(caller);
        module.onInstall(abi.encodePacked(caller));
        assertEq(module.owner(address(account)), owner);
    }
}
