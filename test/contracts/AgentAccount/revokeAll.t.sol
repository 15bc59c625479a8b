// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract RevokeAllTest is AccountTest {
    /// erc7201("bursar.AgentAccount") + 2, behind the two words that OpenZeppelin's EIP712 never uses for short names:
    /// owner 160 | epoch 16 | frozen 8 | heartbeat 40 | caps 16.
    bytes32 private constant HEAD = bytes32(
        uint256(
            keccak256(abi.encode(uint256(keccak256("bursar.AgentAccount")) - 1)) & ~bytes32(uint256(0xff))
        ) + 2
    );

    function test_revokeAll_endsEveryPolicy() public {
        Grant memory first = standardGrant();
        Grant memory second = standardGrant();
        second.salt = 2;
        install(first);
        install(second);
        vm.expectEmit(address(account));
        emit ISpendPolicy.EpochChanged(address(account), 1);
        vm.prank(owner);
        account.revokeAll();
        assertEq(account.epoch(), 1);
        refused(draft(first), notGranted(first));
        refused(draft(second), notGranted(second));
    }

    function test_revokeAll_leavesOwnerAndFreeze() public {
        vm.prank(owner);
        account.freeze();
        vm.prank(owner);
        account.revokeAll();
        assertEq(account.owner(), owner);
        assertTrue(account.frozen(), "unfrozen");
    }

    function test_revokeAll_reverts_epochExhausted() public {
        bytes32 head = vm.load(address(account), HEAD);
        assertEq(uint256(head), uint160(owner));
        vm.store(address(account), HEAD, head | bytes32(uint256(65_534) << 160));
        vm.prank(owner);
        account.revokeAll();
        assertEq(account.epoch(), 65_535);
        vm.expectRevert(ISpendPolicy.EpochExhausted.selector);
        vm.prank(owner);
        account.revokeAll();
        assertEq(account.owner(), owner);
        assertTrue(!account.frozen(), "frozen");
    }

    function test_revokeAll_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.revokeAll();
    }
}
