// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Reads calldata in place: fixed fields out of bytes whose length the caller has checked, and hashes.
library Calldata {
    /// The 32 bytes from `position` on. Beyond the end it reads whatever follows in the transaction: check the length first.
    function word(bytes calldata data, uint256 position) internal pure returns (bytes32 result) {
        // result = bytes32(data[at:at + 32]), without the checks of a slice
        assembly ("memory-safe") {
            result := calldataload(add(data.offset, position))
        }
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
}
