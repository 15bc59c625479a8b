// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract ConstructorTest is AccountTest {
    /// Without a decision log nothing an agent does would be announced: no such account, and no such module, can be made.
    function test_constructor_reverts_noDecisionLog(address log_) public {
        vm.assume(log_.code.length == 0);
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.NoDecisionLog.selector, log_);
        assertEq(
            keccak256(
                _failureOf(
                    "artifacts/contracts/AgentAccount.sol/AgentAccount.json",
                    abi.encode(address(entryPoint), log_)
                )
            ),
            keccak256(reason)
        );

        assertEq(
            keccak256(
                _failureOf(
                    "artifacts/contracts/SpendPolicyValidator.sol/SpendPolicyValidator.json",
                    abi.encode(log_, address(0x70), address(0x80), address(0x90))
                )
            ),
            keccak256(reason)
        );
    }

    /// What a constructor reverts with.
    function _failureOf(
        string memory artifact,
        bytes memory arguments
    ) private returns (bytes memory reason) {
        bytes memory code = bytes.concat(codeOf(artifact), arguments);
        address made;
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
            reason := mload(0x40)
            let length := returndatasize()
            mstore(reason, length)
            returndatacopy(add(reason, 32), 0, length)
            mstore(0x40, and(add(add(reason, length), 63), not(31)))
        }
        assertTrue(made == address(0), "was made");
    }
}
