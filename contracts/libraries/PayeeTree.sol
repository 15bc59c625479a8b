// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Calldata} from "./Calldata.sol";

/// Merkle tree over the payees of a grant. A leaf is an address padded left to 32 bytes; a node is keccak256 of its two
/// children, the smaller first; a child without sibling moves up as it is. So one payee is its own root.
///
/// Leaves need no hash of their own: to pass a node for a payee, its 12 high bytes would have to be zero, 2^96 work for
/// whoever chooses the payees, and then only an address nobody knows the key of becomes payable.
library PayeeTree {
    using Calldata for bytes;

    /// Root that `proof` (siblings from the leaf up, 32 bytes each) leads to from `payee`. The caller checks that the length
    /// of the proof is a multiple of 32.
    function rootFrom(address payee, bytes calldata proof) internal pure returns (bytes32 node) {
        node = bytes32(uint256(uint160(payee)));
        unchecked {
            for (uint256 offset = 0; offset < proof.length; offset += 32) {
                node = Hashes.commutativeKeccak256(node, proof.word(offset));
            }
        }
    }
}
