// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract SetCapTest is ValidatorTest {
    function _set(uint256 perWindow, uint256 bucket) private {
        vm.prank(owner);
        module.setCap(address(account), address(token), perWindow, bucket);
    }

    function _pay(Grant memory terms, uint256 amount) private returns (Draft memory d) {
        d = draft(terms);
        d.amount = amount;
    }

    function test_setCap_holdsForAllAgentsTogether() public {
        Grant memory second = standardGrant();
        second.agent = other;
        install(standardGrant());
        install(second);
        vm.expectEmit(address(module));
        emit ISpendPolicy.CapSet(address(account), address(token), 8 ether, BUCKET);
        _set(8 ether, BUCKET);
        (uint256 perWindow, uint256 bucket) = module.capOf(address(account), address(token));
        assertEq(perWindow, 8 ether);
        assertEq(bucket, BUCKET);

        send(_pay(standardGrant(), 5 ether));
        Draft memory d = _pay(second, 5 ether);
        d.agentKey = OTHER_KEY;
        refused(d, abi.encodeWithSelector(ISpendPolicy.OverCap.selector, address(token), 10 ether, 8 ether));
        d.amount = 3 ether;
        send(d);

        _set(0, 0);
        assertEq(module.capCounters(address(account), address(token)), 0);
        send(_pay(standardGrant(), 5 ether));
    }

    /// A cap of one account is none of another.
    function test_setCap_leavesOtherAccounts() public {
        _set(1 ether, BUCKET);
        assertEq(module.capCounters(address(bare), address(token)), 0);
        use(bare);
        install(standardGrant());
        send(_pay(standardGrant(), 5 ether));
    }

    function test_setCap_reverts_notRepresentable() public {
        vm.expectRevert(
            abi.encodeWithSelector(ISpendPolicy.CapNotRepresentable.selector, 65_536_001, BUCKET)
        );
        _set(65_536_001, BUCKET);
    }

    function test_setCap_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        module.setCap(address(account), address(token), 1, 300);
    }
}
