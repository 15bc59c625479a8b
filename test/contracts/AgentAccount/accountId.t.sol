// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract AccountIdTest is AccountTest {
    function test_accountId_isTheSameForEveryAccount(address anyOwner, uint256 salt) public {
        vm.assume(anyOwner != address(0));
        bytes32 expected = keccak256("bursar.agent-account.0.2.0");
        assertEq(keccak256(bytes(account.accountId())), expected);
        IAgentAccount second = IAgentAccount(factory.createAccount(anyOwner, salt));
        assertEq(keccak256(bytes(second.accountId())), expected);
    }
}
