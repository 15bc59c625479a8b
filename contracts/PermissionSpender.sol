// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {EIP7702Utils} from "@openzeppelin/contracts/account/utils/EIP7702Utils.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IAgentAccount} from "./interfaces/IAgentAccount.sol";
import {Delegation, IDelegationManager} from "./interfaces/IDelegationManager.sol";
import {IPermissionSpender} from "./interfaces/IPermissionSpender.sol";
import {ISpendGrant} from "./interfaces/ISpendGrant.sol";

/// `IPermissionSpender` is its manual. It calls nobody but the manager, and, without letting them change anything, the agent's account
/// and the token.
contract PermissionSpender is IPermissionSpender, ReentrancyGuardTransient {
    address private immutable ACCOUNT_IMPLEMENTATION;
    address private immutable AGENT;
    address private immutable AGENT_KEY;
    IDelegationManager private immutable MANAGER;
    /// Code hashes by which an `AgentAccount` is recognised: a clone (ERC-1167), an EOA that delegates (EIP-7702).
    bytes32 private immutable CLONE;
    bytes32 private immutable DELEGATION;

    mapping(address payer => mapping(bytes32 permission => bool revoked)) private _revoked;
    mapping(address payer => bool revoked) private _allRevoked;

    /// @param accountImplementation_ The `AgentAccount` behind the agent's account.
    /// @param agent_ The account. It need not be there yet.
    /// @param agentKey_ The agent's key.
    /// @param manager_ The delegation manager.
    constructor(address accountImplementation_, address agent_, address agentKey_, address manager_) {
        ACCOUNT_IMPLEMENTATION = accountImplementation_;
        AGENT = agent_;
        AGENT_KEY = agentKey_;
        MANAGER = IDelegationManager(manager_);
        CLONE = keccak256(
            abi.encodePacked(
                hex"363d3d373d3d3d363d73",
                accountImplementation_,
                hex"5af43d82803e903d91602b57fd5bf3"
            )
        );
        DELEGATION = keccak256(abi.encodePacked(EIP7702Utils.EIP7702_PREFIX, accountImplementation_));
    }

    /// @inheritdoc IPermissionSpender
    function revoke(bytes32 permission) external {
        _revoke(msg.sender, permission);
    }

    /// @inheritdoc IPermissionSpender
    function revokeAll() external {
        _allRevoked[msg.sender] = true;
        emit AllRevoked(msg.sender);
    }

    /// @inheritdoc IPermissionSpender
    function giveUp(address payer, bytes32 permission) external {
        if (msg.sender != AGENT_KEY) {
            address executing = _agentExecuting();
            if (executing != AGENT_KEY && executing != address(0))
                revert ISpendGrant.OtherAgentExecuting(executing, AGENT_KEY);
        }
        _revoke(payer, permission);
    }

    /// @inheritdoc IPermissionSpender
    function spend(
        address payer,
        address token,
        address payee,
        uint256 amount,
        bytes calldata context
    ) external nonReentrant {
        address executing = _agentExecuting();
        if (executing != AGENT_KEY) revert ISpendGrant.OtherAgentExecuting(executing, AGENT_KEY);
        (address delegator, bytes32 permission) = permissionOf(context);
        if (delegator != payer) revert ContextNotAllowed(payer);
        if (isRevoked(payer, permission)) revert PermissionRevoked(permission);
        if (token.code.length == 0) revert ISpendGrant.TokenNotAllowed(token);
        uint256 paying = IERC20(token).balanceOf(payer);
        uint256 receiving = IERC20(token).balanceOf(payee);
        _redeem(
            context,
            abi.encodePacked(token, uint256(0), abi.encodeCall(IERC20.transfer, (payee, amount)))
        );
        uint256 left = IERC20(token).balanceOf(payer);
        if (left + amount < paying) revert ISpendGrant.TookMore(paying - left, amount);
        uint256 has = IERC20(token).balanceOf(payee);
        if (has < receiving + amount)
            revert ISpendGrant.ArrivedLess(has > receiving ? has - receiving : 0, amount);
        emit Spent(permission, payer, token, payee, amount);
    }

    /// @inheritdoc IPermissionSpender
    function permissionOf(bytes calldata context) public view returns (address payer, bytes32 permission) {
        Delegation[] memory delegations = abi.decode(context, (Delegation[]));
        if (delegations.length != 1) revert ContextNotAllowed(address(0));
        Delegation memory delegation = delegations[0];
        if (delegation.delegate != address(this)) revert PermissionNotAllowed(delegation.delegate);
        return (delegation.delegator, MANAGER.getDelegationHash(delegation));
    }

    /// @inheritdoc IPermissionSpender
    function isRevoked(address payer, bytes32 permission) public view returns (bool) {
        return _allRevoked[payer] || _revoked[payer][permission];
    }

    /// @inheritdoc IPermissionSpender
    function agent() external view returns (address) {
        return AGENT;
    }

    /// @inheritdoc IPermissionSpender
    function agentKey() external view returns (address) {
        return AGENT_KEY;
    }

    /// @inheritdoc IPermissionSpender
    function manager() external view returns (address) {
        return address(MANAGER);
    }

    /// @inheritdoc IPermissionSpender
    function accountImplementation() external view returns (address) {
        return ACCOUNT_IMPLEMENTATION;
    }

    function _revoke(address payer, bytes32 permission) private {
        _revoked[payer][permission] = true;
        emit Revoked(permission, payer, msg.sender);
    }

    /// Whom the caller is executing for, if it is the agent's account, and an account whose word on that counts.
    function _agentExecuting() private view returns (address) {
        if (msg.sender != AGENT) revert ISpendGrant.NotAgent(msg.sender, AGENT);
        bytes32 code = msg.sender.codehash;
        if (code != CLONE && code != DELEGATION) revert ISpendGrant.NotAgentAccount(msg.sender);
        return IAgentAccount(msg.sender).agentExecuting();
    }

    /// Has the payer's account make one call (ERC-7579 mode 0: single, all or nothing).
    function _redeem(bytes calldata context, bytes memory execution) private {
        bytes[] memory contexts = new bytes[](1);
        bytes[] memory executions = new bytes[](1);
        (contexts[0], executions[0]) = (context, execution);
        MANAGER.redeemDelegations(contexts, new bytes32[](1), executions);
    }
}
