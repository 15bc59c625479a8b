// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Delegation} from "../../../contracts/interfaces/IDelegationManager.sol";
import {IPermissionSpender} from "../../../contracts/interfaces/IPermissionSpender.sol";
import {PermissionTest} from "../base/PermissionTest.sol";

contract RevokeTest is PermissionTest {
    function _revoked(bytes32 name) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPermissionSpender.PermissionRevoked.selector, name);
    }

    function _revoke() private returns (bytes32 name) {
        name = nameOf(permission());
        vm.expectEmit(address(spender));
        emit IPermissionSpender.Revoked(name, payer, payer);
        vm.prank(payer);
        spender.revoke(name);
        assertTrue(spender.isRevoked(payer, name), "not revoked");
    }

    function test_revoke_endsAPermission() public {
        bytes memory context_ = context();
        spend(payees[2], 1 ether, context_);
        bytes32 name = _revoke();
        spendFails(payees[2], 1, context_, _revoked(name));
        warp(time + 2 * PERIOD);
        spendFails(payees[2], 1, context_, _revoked(name));
        assertEq(token.balanceOf(payees[2]), 1 ether);
    }

    function test_revoke_beforeItWasUsed() public {
        bytes32 name = _revoke();
        spendFails(payees[2], 1, context(), _revoked(name));
    }

    /// Whatever bytes the agent puts around what was signed, it is what was revoked.
    function test_revoke_howeverItIsEncoded(bytes memory args, bytes memory behind) public {
        bytes32 name = _revoke();
        Delegation memory delegation = signedBy(PAYER_KEY, permission());
        for (uint256 i = 0; i < 3; ++i) delegation.caveats[i].args = args;
        spendFails(payees[2], 1, bytes.concat(contextOf(delegation), behind), _revoked(name));
    }

    function test_revoke_neverFails(bytes32 name, address caller) public {
        vm.assume(caller != address(vm));
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(caller);
            spender.revoke(name);
        }
        assertTrue(spender.isRevoked(caller, name), "not revoked");
    }

    function test_revoke_ofAnotherChangesNothing(address caller) public {
        vm.assume(caller != payer && caller != address(vm));
        bytes32 name = nameOf(permission());
        vm.prank(caller);
        spender.revoke(name);
        assertTrue(!spender.isRevoked(payer, name), "revoked by another");
        spend(payees[2], 1 ether, context());
    }

    function test_revoke_leavesTheOthers() public {
        _revoke();
        Delegation memory second = permission();
        second.salt = 2;
        spend(payees[2], 1 ether, contextOf(signedBy(PAYER_KEY, second)));
    }
}
