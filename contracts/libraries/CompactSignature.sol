// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Signatures of 64 bytes (EIP-2098).
library CompactSignature {
    /// Half the order of secp256k1: the larger s of the two that every signature could have is refused (EIP-2).
    uint256 private constant LARGEST_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// Who signed an EIP-712 struct; zero if nobody.
    /// @param domain Domain separator.
    /// @param structHash hashStruct of what was signed.
    function recover(
        bytes32 domain,
        bytes32 structHash,
        bytes32 r,
        bytes32 vs
    ) internal view returns (address signer) {
        uint256 s = (uint256(vs) << 1) >> 1;
        if (s > LARGEST_S) return address(0);
        // signer = ecrecover(keccak256(abi.encodePacked(hex"1901", domain, structHash)), 27 + (vs >> 255), r, s), where a failed
        // call leaves the zero that stands in the first word
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, shl(240, 0x1901))
            mstore(add(free, 0x02), domain)
            mstore(add(free, 0x22), structHash)
            mstore(free, keccak256(free, 0x42))
            mstore(add(free, 0x20), add(27, shr(255, vs)))
            mstore(add(free, 0x40), r)
            mstore(add(free, 0x60), s)
            mstore(0, 0)
            pop(staticcall(gas(), 1, free, 0x80, 0, 0x20))
            signer := mload(0)
        }
    }
}
