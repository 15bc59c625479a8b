// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Builds payee trees: the other half of `PayeeTree`.
library Payees {
    /// `count` addresses in ascending order.
    function some(uint256 count) internal pure returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            // High bits ascend, low bits are as good as random.
            list[i] = address(
                uint160(((i + 1) << 152) | (uint256(keccak256(abi.encode("payee", i))) >> 104))
            );
        }
    }

    function rootOf(address[] memory list) internal pure returns (bytes32) {
        bytes32[] memory level = _leaves(list);
        while (level.length > 1) level = _up(level);
        return level[0];
    }

    /// Siblings from the payee at `index` up, packed.
    function proofOf(address[] memory list, uint256 index) internal pure returns (bytes memory proof) {
        bytes32[] memory level = _leaves(list);
        while (level.length > 1) {
            if (index ^ 1 < level.length) proof = bytes.concat(proof, level[index ^ 1]);
            level = _up(level);
            index >>= 1;
        }
    }

    function _leaves(address[] memory list) private pure returns (bytes32[] memory level) {
        level = new bytes32[](list.length);
        for (uint256 i = 0; i < list.length; ++i) level[i] = bytes32(uint256(uint160(list[i])));
    }

    function _up(bytes32[] memory level) private pure returns (bytes32[] memory above) {
        above = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < above.length; ++i) {
            bytes32 left = level[2 * i];
            if (2 * i + 1 == level.length) {
                above[i] = left;
                continue;
            }
            bytes32 right = level[2 * i + 1];
            above[i] = keccak256(left < right ? abi.encode(left, right) : abi.encode(right, left));
        }
    }
}
