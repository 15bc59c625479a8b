// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract RevokeTest is ValidatorTest {
    function test_revoke_endsThePolicy() public {
        bytes32 policyId = install(standardGrant());
        send(draft(standardGrant()));
        vm.expectEmit(address(module));
        emit ISpendPolicy.Revoked(address(account), policyId);
        vm.prank(owner);
        module.revoke(address(account), policyId);
        refused(draft(standardGrant()), notGranted(standardGrant()));
    }

    function test_revoke_byTheAccount() public {
        bytes32 policyId = install(standardGrant());
        send(rootCall(abi.encodeCall(module.revoke, (address(account), policyId))));
        refused(draft(standardGrant()), notGranted(standardGrant()));
    }

    /// Another account's policy of the same id goes on.
    function test_revoke_leavesOtherAccounts() public {
        bytes32 policyId = install(standardGrant());
        use(bare);
        install(standardGrant());
        vm.prank(owner);
        module.revoke(address(hooked), policyId);
        send(draft(standardGrant()));
    }

    function test_revoke_neverFails(bytes32 policyId) public {
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(owner);
            module.revoke(address(account), policyId);
        }
    }

    function test_revoke_reverts_notOwner(address caller, bytes32 policyId) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        module.revoke(address(account), policyId);
    }
}
