// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy, Usage} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract ReplaceTest is ValidatorTest {
    function _other() private view returns (Grant memory terms) {
        terms = standardGrant();
        (terms.salt, terms.perCall) = (2, 3 ether);
    }

    function test_replace_carriesCounters() public {
        bytes32 oldId = install(standardGrant());
        send(draft(standardGrant()));
        Usage memory before = module.usage(address(account), oldId);
        bytes32 newId = policyIdOf(_other());
        vm.expectEmit(address(module));
        emit ISpendPolicy.Replaced(address(account), oldId, newId);
        vm.prank(owner);
        assertEq(module.replace(address(account), standardGrant(), _other()), newId);
        Usage memory carried = module.usage(address(account), newId);
        assertEq(carried.spent, before.spent);
        assertEq(carried.gasSpent, before.gasSpent);
        assertEq(carried.size, before.size);
        refused(draft(standardGrant()), notGranted(standardGrant()));
        send(draft(_other()));
        assertEq(module.counters(address(bare), newId), 0);
    }

    function test_replace_byTheAccount() public {
        install(standardGrant());
        send(rootCall(abi.encodeCall(module.replace, (address(account), standardGrant(), _other()))));
        send(draft(_other()));
    }

    /// What another account granted is not there to be replaced.
    function test_replace_reverts_grantOfAnotherAccount() public {
        bytes32 oldId = install(standardGrant());
        use(bare);
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.NotGranted.selector, oldId));
        vm.prank(owner);
        module.replace(address(account), standardGrant(), _other());
    }

    function test_replace_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        install(standardGrant());
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        module.replace(address(account), standardGrant(), _other());
    }
}
