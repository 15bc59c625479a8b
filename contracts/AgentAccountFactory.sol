// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IAgentAccount} from "./interfaces/IAgentAccount.sol";
import {IAgentAccountFactory} from "./interfaces/IAgentAccountFactory.sol";

/// `IAgentAccountFactory` is its manual.
contract AgentAccountFactory is IAgentAccountFactory {
    /// @inheritdoc IAgentAccountFactory
    address public immutable implementation;

    /// @param implementation_ An AgentAccount, for whose EntryPoint and DecisionLog all accounts are made.
    constructor(address implementation_) {
        implementation = implementation_;
    }

    /// @inheritdoc IAgentAccountFactory
    function createAccount(address owner, uint256 salt) external returns (address account) {
        account = getAddress(owner, salt);
        if (account.code.length != 0) return account;
        Clones.cloneDeterministic(implementation, _saltOf(owner, salt));
        IAgentAccount(account).initialize(owner);
        emit AccountCreated(account, owner, salt);
    }

    /// @inheritdoc IAgentAccountFactory
    function getAddress(address owner, uint256 salt) public view returns (address account) {
        return Clones.predictDeterministicAddress(implementation, _saltOf(owner, salt));
    }

    /// The owner is part of the address, so that nobody can make somebody else's account for himself first.
    function _saltOf(address owner, uint256 salt) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, salt));
    }
}
