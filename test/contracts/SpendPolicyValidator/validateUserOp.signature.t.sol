// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Draft} from "../base/AccountTest.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

/// Nothing in a signature is free to change.
contract ValidateUserOpSignatureTest is ValidatorTest {
    function _everyByteCounts(uint8 kind) private {
        if (kind != 2) install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.kind = kind;
        PackedUserOperation memory op = build(d);
        bytes memory good = op.signature;
        for (uint256 i = 0; i < good.length; ++i) {
            op.signature = bytes.concat(good);
            op.signature[i] = bytes1(uint8(good[i]) ^ 1);
            assertTrue(!trySend(op), string.concat("byte can be changed: ", vm.toString(i)));
        }
        bytes[4] memory others = [
            bytes.concat(good, hex"00"),
            bytes.concat(good, bytes32(0)),
            _cut(good, 1),
            _cut(good, 32)
        ];
        for (uint256 i = 0; i < others.length; ++i) {
            op.signature = others[i];
            assertTrue(!trySend(op), string.concat("another length: ", vm.toString(i)));
        }
        op.signature = good;
        assertTrue(trySend(op), "the signature was good");
    }

    function _cut(bytes memory data, uint256 count) private pure returns (bytes memory part) {
        part = new bytes(data.length - count);
        for (uint256 i = 0; i < part.length; ++i) part[i] = data[i];
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

    /// Gas is estimated with dummy signatures: all the work has to be done before one is refused.
    function test_validateUserOp_worksBeforeItFails() public {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.agentKey = OTHER_KEY;
        PackedUserOperation memory op = build(d);
        bytes32 hash = userOpHash(op);
        vm.prank(address(account));
        uint256 validationData = module.validateUserOp(op, hash);
        assertEq(uint160(validationData), 1);
        assertEq(uint48(validationData >> 160), d.validAfter + d.span);
        assertEq(validationData >> 208, d.validAfter);
        assertEq(module.usage(address(account), policyIdOf(d.grant)).size, d.size);
    }
}
