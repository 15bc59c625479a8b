// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";

/// Reads calldata in place: fixed fields out of bytes whose length the caller has checked, and hashes.
library Calldata {
    /// The 32 bytes from `position` on. Beyond the end it reads whatever follows in the transaction: check the length first.
    function word(bytes calldata data, uint256 position) internal pure returns (bytes32 result) {
        // result = bytes32(data[at:at + 32]), without the checks of a slice
        assembly ("memory-safe") {
            result := calldataload(add(data.offset, position))
        }
    }

    /// The callData of an operation. Like the next two it follows the offset without checking it: the EntryPoint has encoded the
    /// operation anew, and an account that hands a module anything else hands itself.
    function callDataOf(PackedUserOperation calldata userOp) internal pure returns (bytes calldata) {
        return _bytesAt(userOp, 0x60);
    }

    /// The paymaster and its data; empty if there is none.
    function paymasterOf(PackedUserOperation calldata userOp) internal pure returns (bytes calldata) {
        return _bytesAt(userOp, 0xe0);
    }

    /// The signature of an operation.
    function signatureOf(PackedUserOperation calldata userOp) internal pure returns (bytes calldata) {
        return _bytesAt(userOp, 0x100);
    }

    /// keccak256 of all the bytes.
    function hash(bytes calldata data) internal pure returns (bytes32 result) {
        // result = keccak256(data), without keeping the memory that the bytes are copied to
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, data.offset, data.length)
            result := keccak256(free, data.length)
        }
    }

    /// The bytes whose offset stands at `position` of an operation.
    function _bytesAt(
        PackedUserOperation calldata userOp,
        uint256 position
    ) private pure returns (bytes calldata data) {
        // data = userOp.callData, .paymasterAndData or .signature
        assembly ("memory-safe") {
            let start := add(userOp, calldataload(add(userOp, position)))
            data.offset := add(start, 0x20)
            data.length := calldataload(start)
        }
    }
}
