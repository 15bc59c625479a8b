// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountTest} from "../base/AccountTest.sol";

contract ViewsTest is AccountTest {
    function test_views_tellTheParts() public view {
        assertEq(account.entryPoint(), address(entryPoint));
        assertEq(account.decisionLog(), address(log));
        assertEq(account.owner(), owner);
        assertEq(keccak256(bytes(account.accountId())), keccak256("bursar.agent-account.0.1.0"));
    }

    function test_eip712Domain_isTheOneSigned() public view {
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chain,
            address contract_,
            ,

        ) = account.eip712Domain();
        assertEq(bytes32(fields), bytes32(bytes1(0x0f)));
        assertEq(keccak256(bytes(name)), keccak256("Bursar"));
        assertEq(keccak256(bytes(version)), keccak256("1"));
        assertEq(chain, block.chainid);
        assertEq(contract_, address(account));
    }

    function test_receive_acceptsNativeCoin() public {
        (bool ok, ) = address(account).call{value: 1}("");
        assertTrue(ok, "refused");
    }

    /// No signature stands for the account, least of all an agent's: ERC-1271 is not there.
    function test_account_signsNothing() public {
        install(standardGrant());
        bytes memory call = abi.encodeWithSignature(
            "isValidSignature(bytes32,bytes)",
            bytes32(0),
            compact(AGENT_KEY, 0)
        );
        (bool ok, ) = address(account).staticcall(call);
        assertTrue(!ok, "answered");
    }
}
