// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract IsValidSignatureTest is AccountTest {
    bytes4 private constant YES = IERC1271.isValidSignature.selector;

    /// ERC-7739, personal sign: what a wallet of the account shows and signs for `hash`.
    function _personal(uint256 key, bytes32 hash) private view returns (bytes memory) {
        bytes32 structHash = keccak256(abi.encode(keccak256("PersonalSign(bytes prefixed)"), hash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest(structHash));
        return abi.encodePacked(r, s, v);
    }

    function test_isValidSignature_owner(bytes32 hash) public view {
        assertTrue(account.isValidSignature(hash, _personal(OWNER_KEY, hash)) == YES, "refused");
    }

    function test_isValidSignature_notAgent(bytes32 hash) public {
        install(standardGrant());
        assertTrue(account.isValidSignature(hash, _personal(AGENT_KEY, hash)) != YES, "an agent's");
        assertTrue(account.isValidSignature(hash, compact(AGENT_KEY, hash)) != YES, "an agent's");
    }

    /// A bare signature over the hash would serve for every account of the same owner.
    function test_isValidSignature_notBare(bytes32 hash) public view {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, hash);
        assertTrue(account.isValidSignature(hash, abi.encodePacked(r, s, v)) != YES, "bare");
        assertTrue(account.isValidSignature(hash, compact(OWNER_KEY, hash)) != YES, "bare");
    }

    function test_isValidSignature_notOfOtherAccount(bytes32 hash) public {
        bytes memory signature = _personal(OWNER_KEY, hash);
        IERC1271 second = IERC1271(factory.createAccount(owner, 1));
        assertTrue(second.isValidSignature(hash, signature) != YES, "replayed");
    }

    /// Who owns itself (as an account does whose key took this code on, EIP-7702) is not asked by itself, for ever.
    function test_isValidSignature_doesNotAskItself(bytes32 hash) public view {
        IERC1271 implementation = IERC1271(factory.implementation());
        uint256 before = gasleft();
        assertTrue(
            implementation.isValidSignature(hash, _personal(OTHER_KEY, hash)) != YES,
            "signed by nobody"
        );
        assertTrue(before - gasleft() < 500_000, "went in circles");
    }

    /// How others find out that the account speaks ERC-7739.
    function test_isValidSignature_tellsERC7739() public view {
        bytes32 question = 0x7739773977397739773977397739773977397739773977397739773977397739;
        assertTrue(account.isValidSignature(question, "") == bytes4(0x77390001), "silent");
    }
}
