// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

/// Nothing in a signature is free to change.
contract ValidateUserOpSignatureTest is AccountTest {
    uint256 private constant N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function _everyByteCounts(uint8 kind) private {
        Grant memory terms = standardGrant();
        if (kind != 2) install(terms);
        Draft memory d = draft(terms);
        d.kind = kind;
        PackedUserOperation memory op = build(d);
        bytes memory good = op.signature;
        for (uint256 i = 0; i < good.length; ++i) {
            for (uint256 bit = 0; bit < 8; bit += 7) {
                op.signature = bytes.concat(good);
                op.signature[i] = bytes1(uint8(good[i]) ^ uint8(1 << bit));
                assertTrue(!trySend(op), string.concat("byte can be changed: ", vm.toString(i)));
            }
        }
        op.signature = good;
        for (uint256 cut = 1; cut <= good.length; cut += cut < 70 ? 1 : 13) {
            op.signature = _slice(good, 0, good.length - cut);
            assertTrue(!trySend(op), string.concat("bytes can be cut: ", vm.toString(cut)));
            op.signature = _slice(good, cut, good.length);
            assertTrue(!trySend(op), string.concat("bytes can be cut in front: ", vm.toString(cut)));
            op.signature = bytes.concat(good, new bytes(cut));
            assertTrue(!trySend(op), string.concat("bytes can be appended: ", vm.toString(cut)));
        }
        op.signature = good;
        assertTrue(trySend(op), "the signature was good");
    }

    function _slice(bytes memory data, uint256 from, uint256 to) private pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i = from; i < to; ++i) part[i - from] = data[i];
    }

    function test_validateUserOp_everyByteOfSteadyCounts() public {
        _everyByteCounts(1);
    }

    function test_validateUserOp_everyByteOfGrantInsideCounts() public {
        _everyByteCounts(2);
    }

    function test_validateUserOp_everyByteOfEmptyCounts() public {
        _everyByteCounts(3);
    }

    function test_validateUserOp_reverts_malformedSignature(uint256 length) public {
        Grant memory terms = standardGrant();
        install(terms);
        PackedUserOperation memory op = build(draft(terms));
        length = bound(length, 0, 300);
        vm.assume(length != 64 && length != 65);
        if (length >= 151 && (length - 151) % 32 == 0) length += 1;
        op.signature = _slice(bytes.concat(op.signature, new bytes(300)), 0, length);
        refused(op, abi.encodeWithSelector(ISpendPolicy.MalformedSignature.selector, length));
    }

    /// Proofs are whole words, and no word but those of the proof is read.
    function test_validateUserOp_reverts_brokenWords() public {
        Grant memory terms = standardGrant();
        install(terms);
        PackedUserOperation memory op = build(draft(terms));
        bytes memory whole = op.signature;
        for (uint256 extra = 1; extra < 32; ++extra) {
            op.signature = bytes.concat(whole, new bytes(extra));
            refused(
                op,
                abi.encodeWithSelector(ISpendPolicy.MalformedSignature.selector, op.signature.length)
            );
        }
    }

    /// Kind and length are judged together: what is wrong with one must not cancel what is wrong with the other.
    function test_validateUserOp_reverts_unknownKindOfBrokenLength(uint256 kind, uint256 words) public {
        kind = bound(kind, 5, 64);
        Grant memory terms = standardGrant();
        install(terms);
        PackedUserOperation memory op = build(draft(terms));
        op.signature = bytes.concat(
            op.signature,
            new bytes(64 * (kind - 1) + 32 * bound(words, 0, 4) + ((kind - 1) >> 1))
        );
        op.signature[0] = bytes1(uint8(kind));
        refused(op, abi.encodeWithSelector(ISpendPolicy.MalformedSignature.selector, op.signature.length));
    }

    function test_validateUserOp_reverts_unknownKind(uint8 kind) public {
        vm.assume(kind == 0 || kind > 4);
        Grant memory terms = standardGrant();
        install(terms);
        PackedUserOperation memory op = build(draft(terms));
        op.signature[0] = bytes1(kind);
        refused(op, abi.encodeWithSelector(ISpendPolicy.MalformedSignature.selector, op.signature.length));
    }

    function test_validateUserOp_fails_otherKey(uint256 key) public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = draft(terms);
        d.agentKey = bound(key, 1, N - 1);
        vm.assume(d.agentKey != AGENT_KEY);
        unsignedRefused(build(d));
    }

    function test_validateUserOp_fails_highS() public {
        Grant memory terms = standardGrant();
        install(terms);
        PackedUserOperation memory op = build(draft(terms));
        bytes memory signature = op.signature;
        uint256 vs;
        assembly ("memory-safe") {
            vs := mload(add(signature, 85)) // vs = signature[53:85]
        }
        uint256 s = vs & (type(uint256).max >> 1);
        uint256 flipped = (N - s) | (~vs & (1 << 255));
        assembly ("memory-safe") {
            mstore(add(signature, 85), flipped) // signature[53:85] = flipped
        }
        unsignedRefused(op);
    }

    /// A wrong signature costs what a good one costs, so gas can be estimated with a dummy.
    function test_validateUserOp_worksBeforeItFails() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        Draft memory d = draft(terms);
        d.agentKey = OTHER_KEY;
        PackedUserOperation memory op = build(d);
        bytes32 hash = userOpHash(op);
        vm.prank(address(entryPoint));
        uint256 validationData = account.validateUserOp(op, hash, 0);
        assertEq(validationData, ((d.validAfter + 300) << 160) | (d.validAfter << 208) | 1);
        assertEq(account.usage(policyId).size, d.size);
    }

    /// What an agent signed for one account is nothing to another of the same owner and grant.
    function test_validateUserOp_fails_otherAccount() public {
        Grant memory terms = standardGrant();
        install(terms);
        PackedUserOperation memory op = build(draft(terms));
        address twin = factory.createAccount(owner, 1);
        entryPoint.depositTo{value: 1 ether}(twin);
        account = IAgentAccount(twin);
        install(terms);
        op.sender = twin;
        unsignedRefused(op);
    }
}
