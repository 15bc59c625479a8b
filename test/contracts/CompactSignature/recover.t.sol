// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {Test} from "../base/Test.sol";

/// `recover` says what OpenZeppelin's library says.
contract RecoverTest is Test {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function _recover(
        bytes32 domain,
        bytes32 structHash,
        bytes32 r,
        bytes32 vs
    ) private view returns (address signer) {
        signer = CompactSignature.recover(domain, structHash, r, vs);
        (address expected, , ) = ECDSA.tryRecover(
            MessageHashUtils.toTypedDataHash(domain, structHash),
            r,
            vs
        );
        assertEq(signer, expected);
    }

    function test_recover_findsTheSigner(uint256 key, bytes32 domain, bytes32 structHash) public view {
        key = bound(key, 1, ORDER - 1);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, MessageHashUtils.toTypedDataHash(domain, structHash));
        bytes32 vs = bytes32(uint256(s) | (uint256(v - 27) << 255));
        assertEq(_recover(domain, structHash, r, vs), vm.addr(key));
    }

    /// Of the larger half of all s, 255 bits have room for these.
    function test_recover_refusesLargeS(
        bytes32 domain,
        bytes32 structHash,
        bytes32 r,
        uint256 s
    ) public view {
        s = bound(s, ORDER / 2 + 1, type(uint256).max >> 1);
        assertEq(_recover(domain, structHash, r, bytes32(s)), address(0));
        assertEq(_recover(domain, structHash, r, bytes32(s | (1 << 255))), address(0));
    }

    /// The largest s that counts, and the smallest that does not, with an r that somebody could have signed with.
    function test_recover_knowsTheLargestS(bytes32 domain, bytes32 structHash) public view {
        bytes32 r = bytes32(uint256(1));
        bytes32 s = bytes32(ORDER / 2);
        assertTrue(_recover(domain, structHash, r, s) != address(0), "nobody has the largest s");
        assertTrue(_recover(domain, structHash, r, s | bytes32(uint256(1) << 255)) != address(0), "odd");
        assertEq(_recover(domain, structHash, r, bytes32(ORDER / 2 + 1)), address(0));
    }

    function test_recover_agreesOnAnything(
        bytes32 domain,
        bytes32 structHash,
        bytes32 r,
        bytes32 vs
    ) public view {
        _recover(domain, structHash, r, vs);
    }

    function test_recover_findsNobodyForNoSignature(bytes32 domain, bytes32 structHash) public view {
        assertEq(_recover(domain, structHash, 0, 0), address(0));
        assertEq(_recover(domain, structHash, bytes32(ORDER), bytes32(uint256(1))), address(0));
    }

    /// Whatever stood in scratch memory before: it is where the answer is read from.
    function test_recover_findsNobodyInScratchMemory(
        bytes32 domain,
        bytes32 structHash,
        address dirt
    ) public view {
        assembly ("memory-safe") {
            mstore(0, or(dirt, 1))
            mstore(0x20, not(0))
        }
        address signer = CompactSignature.recover(domain, structHash, bytes32(ORDER), bytes32(uint256(1)));
        assertEq(signer, address(0));
    }
}
