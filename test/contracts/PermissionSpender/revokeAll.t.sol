// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Delegation} from "../../../contracts/interfaces/IDelegationManager.sol";
import {IPermissionSpender} from "../../../contracts/interfaces/IPermissionSpender.sol";
import {PermissionTest} from "../base/PermissionTest.sol";

contract RevokeAllTest is PermissionTest {
    function _revokeAll() private {
        vm.expectEmit(address(spender));
        emit IPermissionSpender.AllRevoked(payer);
        vm.prank(payer);
        spender.revokeAll();
    }

    function test_revokeAll_endsWhatThereIsAndWhatComes(uint256 salt) public {
        spend(payees[2], 1 ether, context());
        _revokeAll();
        Delegation memory later = permission();
        later.salt = salt;
        bytes memory reason = abi.encodeWithSelector(
            IPermissionSpender.PermissionRevoked.selector,
            nameOf(later)
        );
        spendFails(payees[2], 1, contextOf(signedBy(PAYER_KEY, later)), reason);
        assertTrue(spender.isRevoked(payer, nameOf(permission())), "not revoked");
    }

    function test_revokeAll_twice() public {
        _revokeAll();
        _revokeAll();
    }

    function test_revokeAll_leavesOtherPayers(address caller) public {
        vm.assume(caller != payer && caller != address(vm));
        vm.prank(caller);
        spender.revokeAll();
        spend(payees[2], 1 ether, context());
    }

    /// Another agent's contract is another matter.
    function test_revokeAll_leavesOtherSpenders() public {
        _revokeAll();
        spender = newSpender(address(account), other);
        employ(OTHER_KEY, 1, IPermissionSpender.spend.selector);
        bytes memory call = batchOf(
            spendCall(address(token), payees[2], 1 ether, contextOf(signedBy(PAYER_KEY, permission())))
        );
        send(operationOf(OTHER_KEY, 1, call, IPermissionSpender.spend.selector));
        assertEq(token.balanceOf(payees[2]), 1 ether);
    }
}
