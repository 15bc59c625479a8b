// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract Eip712DomainTest is AccountTest {
    function _isTheDomainOf(IAgentAccount told, uint256 expectedChain) private view {
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chain,
            address contract_,
            bytes32 salt,
            uint256[] memory extensions
        ) = told.eip712Domain();
        assertEq(bytes32(fields), bytes32(bytes1(0x0f)));
        assertEq(keccak256(bytes(name)), keccak256("Bursar"));
        assertEq(keccak256(bytes(version)), keccak256("1"));
        assertEq(chain, expectedChain);
        assertEq(contract_, address(told));
        assertEq(salt, 0);
        assertEq(extensions.length, 0);
    }

    function test_eip712Domain_isTheOneSigned() public view {
        _isTheDomainOf(account, block.chainid);
    }

    function test_eip712Domain_ofAnyAccountOnAnyChain(address anyOwner, uint256 salt, uint256 chain) public {
        vm.assume(anyOwner != address(0));
        chain = bound(chain, 1, type(uint64).max);
        IAgentAccount second = IAgentAccount(factory.createAccount(anyOwner, salt));
        vm.chainId(chain);
        _isTheDomainOf(second, chain);
        _isTheDomainOf(account, chain);
    }
}
