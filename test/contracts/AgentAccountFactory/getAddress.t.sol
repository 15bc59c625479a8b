// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountTest} from "../base/AccountTest.sol";

contract GetAddressTest is AccountTest {
    function test_getAddress_isWhereTheAccountWillBe(address anyOwner, uint256 salt) public {
        vm.assume(anyOwner != address(0) && anyOwner != owner);
        address expected = factory.getAddress(anyOwner, salt);
        assertEq(expected.code.length, 0);
        assertEq(factory.createAccount(anyOwner, salt), expected);
        assertEq(factory.getAddress(anyOwner, salt), expected);
    }

    /// CREATE2 of an ERC-1167 clone, written out.
    function test_getAddress_followsCreate2(address anyOwner, uint256 salt) public view {
        bytes memory code = abi.encodePacked(
            hex"3d602d80600a3d3981f3363d3d373d3d3d363d73",
            factory.implementation(),
            hex"5af43d82803e903d91602b57fd5bf3"
        );
        bytes32 mixed = keccak256(abi.encode(anyOwner, salt));
        bytes32 hash = keccak256(abi.encodePacked(hex"ff", address(factory), mixed, keccak256(code)));
        assertEq(factory.getAddress(anyOwner, salt), address(uint160(uint256(hash))));
    }
}
