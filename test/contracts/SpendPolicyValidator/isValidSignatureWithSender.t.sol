// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract IsValidSignatureWithSenderTest is ValidatorTest {
    function test_isValidSignatureWithSender_always(
        address sender,
        bytes32 hash,
        bytes calldata signature
    ) public view {
        assertEq(module.isValidSignatureWithSender(sender, hash, signature), bytes4(0xffffffff));
    }

    /// Neither the agent nor the module's owner signs for the account.
    function test_isValidSignatureWithSender_throughTheAccount(bytes32 hash) public {
        install(standardGrant());
        uint256[2] memory keys = [AGENT_KEY, OWNER_KEY];
        for (uint256 i = 0; i < keys.length; ++i) {
            bytes memory signature = bytes.concat(bytes20(address(module)), long(keys[i], hash));
            assertEq(hooked.isValidSignature(hash, signature), bytes4(0xffffffff));
            signature = bytes.concat(bytes20(address(module)), long(keys[i], digest(hash)));
            assertEq(hooked.isValidSignature(hash, signature), bytes4(0xffffffff));
        }
    }
}
