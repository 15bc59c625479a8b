// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountTest} from "../base/AccountTest.sol";

contract IsValidSignatureTest is AccountTest {
    /// No signature stands for the account, least of all an agent's: ERC-1271 is not there.
    function test_isValidSignature_isNotThere(bytes32 hash, bool byOwner) public {
        install(standardGrant());
        bytes memory signature = compact(byOwner ? OWNER_KEY : AGENT_KEY, hash);
        bytes memory call = abi.encodeWithSignature("isValidSignature(bytes32,bytes)", hash, signature);
        (bool ok, ) = address(account).staticcall(call);
        assertTrue(!ok, "answered");
    }
}
