// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract RevokeAllTest is ValidatorTest {
    function test_revokeAll_endsEveryPolicyOfTheAccount() public {
        Grant memory second = standardGrant();
        second.salt = 2;
        install(standardGrant());
        install(second);
        vm.expectEmit(address(module));
        emit ISpendPolicy.EpochChanged(address(account), 1);
        vm.prank(owner);
        module.revokeAll(address(account));
        assertEq(module.epoch(address(account)), 1);
        assertEq(module.epoch(address(bare)), 0);
        refused(draft(standardGrant()), notGranted(standardGrant()));
        refused(draft(second), notGranted(second));
    }

    function test_revokeAll_byTheAccount() public {
        send(rootCall(abi.encodeCall(module.revokeAll, (address(account)))));
        assertEq(module.epoch(address(account)), 1);
    }

    function test_revokeAll_reverts_epochExhausted() public {
        bytes32 slot = slotOf(0, address(account));
        vm.store(address(module), slot, vm.load(address(module), slot) | bytes32(uint256(65_535) << 160));
        assertEq(module.epoch(address(account)), 65_535);
        vm.expectRevert(ISpendPolicy.EpochExhausted.selector);
        vm.prank(owner);
        module.revokeAll(address(account));
        assertEq(module.owner(address(account)), owner);
    }

    function test_revokeAll_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        module.revokeAll(address(account));
    }
}
