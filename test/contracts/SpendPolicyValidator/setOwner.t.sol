// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicyValidator} from "../../../contracts/interfaces/ISpendPolicyValidator.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract SetOwnerTest is ValidatorTest {
    function test_setOwner_byTheAccountOnly(address owner_) public {
        vm.expectEmit(address(module));
        emit ISpendPolicyValidator.OwnerSet(address(account), owner_);
        vm.prank(address(account));
        module.setOwner(owner_);
        assertEq(module.owner(address(account)), owner_);
        assertEq(module.owner(address(bare)), owner);
    }

    /// An owner who calls names the owner of an account at his own address: nothing for the account.
    function test_setOwner_byOwnerChangesNothing() public {
        vm.prank(owner);
        module.setOwner(other);
        assertEq(module.owner(address(account)), owner);
        assertEq(module.owner(owner), other);
    }

    function test_setOwner_byOperation() public {
        send(rootCall(abi.encodeCall(module.setOwner, (other))));
        assertEq(module.owner(address(account)), other);
        vm.expectRevert(notOwner(owner));
        vm.prank(owner);
        module.revokeAll(address(account));
        vm.prank(other);
        module.revokeAll(address(account));
    }

    /// Nothing else of the account changes.
    function test_setOwner_keepsTheRest() public {
        vm.prank(owner);
        module.revokeAll(address(account));
        vm.prank(owner);
        module.freeze(address(account));
        vm.prank(owner);
        module.heartbeat(address(account));
        vm.prank(address(account));
        module.setOwner(address(0));
        assertEq(module.epoch(address(account)), 1);
        assertTrue(module.frozen(address(account)), "unfrozen");
        assertEq(module.lastHeartbeat(address(account)), START);
    }
}
