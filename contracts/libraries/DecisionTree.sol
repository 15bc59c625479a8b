// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// RFC 9162 Merkle tree over decisions: sha256, leaf hashes sha256(0x00 ‖ record root), nodes sha256(0x01 ‖ left ‖ right).
library DecisionTree {
    /// What is stored of a tree. Hashed before it is cut, or the last bytes of a tree's only leaf, its root, would be anybody's
    /// choice.
    function fingerprintOf(uint256 size, bytes32 root) internal pure returns (bytes28) {
        return bytes28(Hashes.efficientKeccak256(bytes32(size), root));
    }

    /// RFC 9162 §2.1.3.2. Whether `path` leads from `leaf` at `index` to the root of the tree of `size` leaves with this
    /// fingerprint.
    /// @param leaf A leaf hash: the 0x00 is inside already. A node cannot pass for a leaf, as the length of its path would
    /// not be that of any index.
    function isIncluded(
        bytes32 leaf,
        uint256 index,
        uint256 size,
        bytes32[] calldata path,
        bytes28 fingerprint
    ) internal pure returns (bool) {
        if (index >= size) return false;
        uint256 first = index;
        uint256 last = size - 1;
        bytes32 node = leaf;
        for (uint256 i = 0; i < path.length; ++i) {
            if (last == 0) return false;
            if (first & 1 == 1 || first == last) {
                node = sha256(abi.encodePacked(bytes1(0x01), path[i], node));
                // The right edge of an incomplete tree: skip the levels on which this node has no sibling.
                while (first & 1 == 0 && first != 0) (first, last) = (first >> 1, last >> 1);
            } else {
                node = sha256(abi.encodePacked(bytes1(0x01), node, path[i]));
            }
            (first, last) = (first >> 1, last >> 1);
        }
        return last == 0 && fingerprintOf(size, node) == fingerprint;
    }
}
