// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract SetGuardianTest is AccountTest {
    function _set(address guardian, bool active) private {
        vm.prank(owner);
        account.setGuardian(guardian, active);
    }

    function test_setGuardian_mayFreeze(address guardian) public {
        vm.assume(guardian != owner && guardian != address(account) && guardian != address(vm));
        vm.expectEmit(address(account));
        emit ISpendPolicy.GuardianSet(address(account), guardian, true);
        _set(guardian, true);
        assertTrue(account.isGuardian(guardian), "no guardian");
        vm.expectEmit(address(account));
        emit ISpendPolicy.AccountFrozen(address(account), guardian);
        vm.prank(guardian);
        account.freeze();
        refused(draft(standardGrant()), abi.encodeWithSelector(ISpendPolicy.Frozen.selector));
    }

    function test_setGuardian_mayDoNothingElse() public {
        _set(other, true);
        bytes[9] memory calls = [
            abi.encodeCall(account.unfreeze, ()),
            abi.encodeCall(account.revoke, (bytes32(0))),
            abi.encodeCall(account.revokeAll, ()),
            abi.encodeCall(account.grant, (standardGrant())),
            abi.encodeCall(account.setGuardian, (agent, true)),
            abi.encodeCall(account.heartbeat, ()),
            abi.encodeCall(account.setCap, (address(0), 0, 0)),
            abi.encodeCall(account.withdraw, (address(0), payable(other), 1)),
            abi.encodeCall(account.withdrawDeposit, (payable(other), 1))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(other);
            (bool ok, bytes memory reason) = address(account).call(calls[i]);
            assertTrue(!ok && keccak256(reason) == keccak256(notOwner(other)), "allowed");
        }
    }

    function test_setGuardian_takesItBack(address guardian) public {
        vm.assume(guardian != owner && guardian != address(account) && guardian != address(vm));
        _set(guardian, true);
        _set(guardian, false);
        assertTrue(!account.isGuardian(guardian), "still");
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.NotGuardian.selector, guardian));
        vm.prank(guardian);
        account.freeze();
    }

    function test_setGuardian_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.setGuardian(caller, true);
    }
}
