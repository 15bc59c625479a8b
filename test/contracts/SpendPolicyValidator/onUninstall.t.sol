// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ISpendPolicyValidator} from "../../../contracts/interfaces/ISpendPolicyValidator.sol";
import {Draft} from "../base/AccountTest.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract OnUninstallTest is ValidatorTest {
    function _uninstall(uint256 moduleType, bytes memory data) private {
        bytes memory call = abi.encodeCall(hooked.uninstallModule, (moduleType, address(module), data));
        send(rootOp(single(address(account), 0, call)));
    }

    /// Without the hook, agents would be checked less: also this stops them all.
    function test_onUninstall_ofHookStopsAgents() public {
        install(standardGrant());
        send(draft(standardGrant()));
        _uninstall(HOOK, "");
        refused(draft(standardGrant()), notGranted(standardGrant()));
        assertEq(module.owner(address(account)), owner);
        assertTrue(module.isInitialized(address(account)), "the validator is still there");
        install(standardGrant());
        send(draft(standardGrant()));
    }

    /// The account does not ask a validator that it does not have: its own key is asked, and refuses.
    function test_onUninstall_ofValidatorStopsAgents() public {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.kind = 2;
        _uninstall(VALIDATOR, "");
        _uninstall(HOOK, "");
        unsignedRefused(build(draft(standardGrant())));
        assertEq(module.epoch(address(account)), 2);
        // Neither the grant nor the signed and unused one comes back with the module.
        vm.prank(address(account));
        hooked.installModule(VALIDATOR, address(module), abi.encodePacked(owner));
        refused(draft(standardGrant()), notGranted(standardGrant()));
        d.nonceKey = laneOf(agent, 0);
        unsignedRefused(build(d));
    }

    function test_onUninstall_lastForgetsOwner() public {
        vm.prank(address(account));
        module.onUninstall("");
        assertEq(module.owner(address(account)), owner);
        vm.expectEmit(address(module));
        emit ISpendPolicyValidator.OwnerSet(address(account), address(0));
        vm.prank(address(account));
        module.onUninstall("");
        assertEq(module.owner(address(account)), address(0));
        vm.expectRevert(notOwner(owner));
        vm.prank(owner);
        module.grant(address(account), standardGrant());
    }

    /// Whatever the state and the data: also more often than it was installed.
    function test_onUninstall_neverFails(bytes calldata data) public {
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectEmit(address(module));
            emit ISpendPolicy.EpochChanged(address(this), i + 1);
            module.onUninstall(data);
        }
        assertTrue(!module.isInitialized(address(this)), "initialized");
    }

    /// At the end of the epochs the account is frozen instead.
    function test_onUninstall_freezesAtLastEpoch() public {
        install(standardGrant());
        bytes32 slot = slotOf(0, address(account));
        bytes32 head = vm.load(address(module), slot);
        assertEq(uint160(uint256(head)), uint160(owner));
        vm.store(address(module), slot, head | bytes32(uint256(65_534) << 160));
        _uninstall(HOOK, "");
        assertEq(module.epoch(address(account)), 65_535);
        install(standardGrant());
        vm.prank(address(account));
        module.onInstall("");
        _uninstall(VALIDATOR, "");
        assertEq(module.epoch(address(account)), 65_535);
        assertTrue(module.frozen(address(account)), "not frozen");
    }

    function test_onUninstall_touchesCallerOnly(address caller) public {
        vm.assume(caller != address(account) && caller != address(vm));
        install(standardGrant());
        vm.prank(caller);
        module.onUninstall("");
        assertEq(module.epoch(address(account)), 0);
        send(draft(standardGrant()));
    }
}
