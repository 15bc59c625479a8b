// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountTest} from "../base/AccountTest.sol";

contract ReceiveTest is AccountTest {
    function test_receive_acceptsNativeCoin(address sender, uint256 value) public {
        vm.assume(sender != address(account) && sender != address(vm));
        value = bound(value, 0, 1e9 ether);
        vm.deal(sender, value);
        vm.prank(sender);
        (bool ok, ) = address(account).call{value: value}("");
        assertTrue(ok, "refused");
        assertEq(address(account).balance, 1000 ether + value);
    }

    /// Too short to be a call of anything.
    function test_receive_refusesData(bytes3 data, uint256 length) public {
        bytes memory sent = abi.encodePacked(data);
        length = bound(length, 1, 3);
        // sent.length = length
        assembly ("memory-safe") {
            mstore(sent, length)
        }
        (bool ok, ) = address(account).call{value: 1}(sent);
        assertTrue(!ok, "accepted");
        assertEq(address(account).balance, 1000 ether);
    }
}
