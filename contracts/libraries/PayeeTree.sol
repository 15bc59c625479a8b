// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Merkle tree over the payees of a grant. A leaf is an address padded left to 32 bytes; a node is keccak256 of its two
/// children, the smaller first; a child without sibling moves up as it is. So one payee is its own root.
///
/// Leaves need no hash of their own: to pass a node for a payee, its 12 high bytes would have to be zero, 2^96 work for
/// whoever chooses the payees, and then only an address nobody knows the key of becomes payable.
library PayeeTree {
    /// Root that `proof` (siblings from the leaf up, 32 bytes each) leads to from `payee`. The caller checks that the length
    /// of the proof is a multiple of 32.
    function rootFrom(address payee, bytes calldata proof) internal pure returns (bytes32 node) {
        node = bytes32(uint256(uint160(payee)));
        // for each sibling: node = keccak256(node < sibling ? node ‖ sibling : sibling ‖ node), without a branch: the larger of
        // the two goes to the second word of scratch space, the other one to the first
        assembly ("memory-safe") {
            let end := add(proof.offset, proof.length)
            for {
                let at := proof.offset
            } lt(at, end) {
                at := add(at, 0x20)
            } {
                let sibling := calldataload(at)
                let place := shl(5, gt(node, sibling))
                mstore(place, node)
                mstore(xor(place, 0x20), sibling)
                node := keccak256(0, 0x40)
            }
        }
    }
}
