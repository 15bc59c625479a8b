// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {EIP7702Utils} from "@openzeppelin/contracts/account/utils/EIP7702Utils.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Outsider} from "./Outsider.sol";
import {IAgentAccount} from "./interfaces/IAgentAccount.sol";
import {IAllowanceTransfer} from "./interfaces/IAllowanceTransfer.sol";
import {AgentSpendGrant, Budget, ISpendGrant, Source} from "./interfaces/ISpendGrant.sol";
import {ISpendPolicy, Status} from "./interfaces/ISpendPolicy.sol";
import {Counters} from "./libraries/Counters.sol";
import {DecisionLogCall} from "./libraries/DecisionLogCall.sol";
import {SpendGrants, SpendWords} from "./libraries/SpendGrants.sol";

/// `ISpendGrant` is its manual. It calls nobody but the token, Permit2 and the DecisionLog, and, without letting them change
/// anything, payer and agent. Whom a stranger names is called by the outsider.
contract SpendGrant is ISpendGrant, EIP712, Multicall, ReentrancyGuardTransient {
    using Counters for uint256;
    using SafeERC20 for IERC20;
    using SpendGrants for AgentSpendGrant;
    using SpendGrants for SpendWords;
    using SpendGrants for uint256;

    /// A word of storage (`SpendGrants`), so that functions can point to it.
    struct Word {
        uint256 value;
    }

    /// What a signature with a deployment before it ends with (ERC-6492).
    bytes32 private constant WRAPPED = 0x6492649264926492649264926492649264926492649264926492649264926492;

    address private immutable ACCOUNT_IMPLEMENTATION;
    address private immutable DECISION_LOG;
    IAllowanceTransfer private immutable PERMIT2;
    Outsider private immutable OUTSIDER;
    /// Code hashes by which an `AgentAccount` is recognised: a clone (ERC-1167), an EOA that delegates (EIP-7702).
    bytes32 private immutable CLONE;
    bytes32 private immutable DELEGATION;

    mapping(address account => mapping(bytes32 grantHash => Word word)) private _counters;
    mapping(address account => uint256 epoch) private _epochs;

    /// @param accountImplementation_ The `AgentAccount` behind the agents' accounts.
    /// @param permit2_ Permit2; without it at this address, spends through it fail.
    constructor(address accountImplementation_, address permit2_) EIP712("Bursar SpendGrant", "1") {
        ACCOUNT_IMPLEMENTATION = accountImplementation_;
        DECISION_LOG = IAgentAccount(accountImplementation_).decisionLog();
        PERMIT2 = IAllowanceTransfer(permit2_);
        OUTSIDER = new Outsider();
        CLONE = keccak256(
            abi.encodePacked(
                hex"363d3d373d3d3d363d73",
                accountImplementation_,
                hex"5af43d82803e903d91602b57fd5bf3"
            )
        );
        DELEGATION = keccak256(abi.encodePacked(EIP7702Utils.EIP7702_PREFIX, accountImplementation_));
    }

    /// @inheritdoc ISpendGrant
    function approveBySignature(
        AgentSpendGrant calldata grant,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 grantHash) {
        grantHash = hashOf(grant);
        // In force already: nothing depends on the signature.
        if (_counters[grant.account][grantHash].value.statusOf() == Status.Unknown)
            if (!_isSigned(grant.account, grantHash, signature))
                revert ISpendPolicy.WrongSigner(grant.account);
        _approve(grant, grantHash);
    }

    /// @inheritdoc ISpendGrant
    function approve(AgentSpendGrant calldata grant) external returns (bytes32 grantHash) {
        if (msg.sender != grant.account) revert NotAccount(msg.sender, grant.account);
        grantHash = hashOf(grant);
        _approve(grant, grantHash);
    }

    /// @inheritdoc ISpendGrant
    function revoke(bytes32 grantHash) external {
        _revoke(msg.sender, grantHash);
    }

    /// @inheritdoc ISpendGrant
    function revokeAll() external {
        uint256 next = _epochs[msg.sender] + 1;
        _epochs[msg.sender] = next;
        emit EpochChanged(msg.sender, next);
    }

    /// @inheritdoc ISpendGrant
    function giveUp(AgentSpendGrant calldata grant) external {
        SpendWords memory words = grant.read();
        if (msg.sender != words.agentKey) {
            address executing = _agentExecuting(words);
            if (executing != words.agentKey && executing != address(0))
                revert OtherAgentExecuting(executing, words.agentKey);
        }
        _revoke(words.account, _nameOf(words));
    }

    /// @inheritdoc ISpendGrant
    function spend(
        AgentSpendGrant calldata grant,
        address payee,
        uint256 amount,
        Source source
    ) external nonReentrant {
        SpendWords memory words = grant.read();
        address executing = _agentExecuting(words);
        if (executing != words.agentKey) revert OtherAgentExecuting(executing, words.agentKey);
        (bytes32 grantHash, Word storage stored) = _judge(words, grant.payees, payee);
        stored.value = stored.value.charge(words, amount);
        _pull(words, payee, amount, source);
        emit Spent(grantHash, payee, amount);
    }

    /// @inheritdoc ISpendGrant
    function spendDirectly(
        AgentSpendGrant calldata grant,
        address payee,
        uint256 amount,
        Source source,
        uint32 size,
        bytes32 root
    ) external nonReentrant {
        SpendWords memory words = grant.read();
        if (msg.sender != words.agent) revert NotAgent(msg.sender, words.agent);
        if (msg.sender != words.agentKey) revert NotAgent(msg.sender, words.agentKey);
        (bytes32 grantHash, Word storage stored) = _judge(words, grant.payees, payee);
        stored.value = stored.value.growTree(size).charge(words, amount);
        DecisionLogCall.commit(DECISION_LOG, words.account, msg.sender, size, root);
        _pull(words, payee, amount, source);
        emit Spent(grantHash, payee, amount);
    }

    /// @inheritdoc ISpendGrant
    function bringPermit(
        address token,
        address account,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (bool done) {
        return
            OUTSIDER.run(
                token,
                abi.encodeCall(IERC20Permit.permit, (account, address(this), value, deadline, v, r, s))
            );
    }

    /// @inheritdoc ISpendGrant
    function bringPermit2(
        address account,
        IAllowanceTransfer.PermitSingle calldata permitSingle,
        bytes calldata signature
    ) external returns (bool done) {
        return
            OUTSIDER.run(
                address(PERMIT2),
                abi.encodeCall(IAllowanceTransfer.permit, (account, permitSingle, signature))
            );
    }

    /// @inheritdoc ISpendGrant
    function hashOf(AgentSpendGrant calldata grant) public view returns (bytes32) {
        return _nameOf(grant.read());
    }

    /// @inheritdoc ISpendGrant
    function statusOf(address account, bytes32 grantHash) external view returns (Status) {
        return _counters[account][grantHash].value.statusOf();
    }

    /// @inheritdoc ISpendGrant
    function budgetOf(AgentSpendGrant calldata grant) external view returns (Budget memory budget) {
        SpendWords memory words = grant.read();
        uint256 word = _counters[grant.account][_nameOf(words)].value;
        budget.status = word.statusOf();
        budget.size = word.decode().size;
        uint256 inWindow;
        (budget.spent, inWindow) = word.spentOf(words);
        budget.leftInTotal = grant.total - budget.spent;
        budget.leftInWindow = grant.perWindow - inWindow;
        if (
            budget.status != Status.Granted ||
            grant.epoch != _epochs[grant.account] ||
            block.timestamp <= grant.validAfter ||
            block.timestamp > grant.validUntil
        ) return budget;
        budget.leftNow = grant.perCall;
        if (budget.leftInTotal < budget.leftNow) budget.leftNow = budget.leftInTotal;
        if (budget.leftInWindow < budget.leftNow) budget.leftNow = budget.leftInWindow;
    }

    /// @inheritdoc ISpendGrant
    function requireSpendable(AgentSpendGrant calldata grant, address payee, uint256 amount) external view {
        SpendWords memory words = grant.read();
        (, Word storage stored) = _judge(words, grant.payees, payee);
        stored.value.charge(words, amount);
    }

    /// @inheritdoc ISpendGrant
    function counters(address account, bytes32 grantHash) external view returns (uint256) {
        return _counters[account][grantHash].value;
    }

    /// @inheritdoc ISpendGrant
    function epochOf(address account) external view returns (uint256) {
        return _epochs[account];
    }

    /// @inheritdoc ISpendGrant
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @inheritdoc ISpendGrant
    function accountImplementation() external view returns (address) {
        return ACCOUNT_IMPLEMENTATION;
    }

    /// @inheritdoc ISpendGrant
    function decisionLog() external view returns (address) {
        return DECISION_LOG;
    }

    /// @inheritdoc ISpendGrant
    function allowanceTransfer() external view returns (address) {
        return address(PERMIT2);
    }

    /// @inheritdoc ISpendGrant
    function outsider() external view returns (address) {
        return address(OUTSIDER);
    }

    /// Puts a grant in force, or leaves it there. Whoever has to has agreed to it.
    function _approve(AgentSpendGrant calldata grant, bytes32 grantHash) private {
        _requireEpoch(grant.account, grant.epoch);
        Word storage stored = _counters[grant.account][grantHash];
        Status status = stored.value.statusOf();
        if (status == Status.Granted) return;
        if (status == Status.Revoked) revert ISpendPolicy.AlreadyRevoked(grantHash);
        stored.value = grant.open();
        emit Approved(grantHash, grant.account, grant.agent, grant);
    }

    function _revoke(address account, bytes32 grantHash) private {
        Word storage stored = _counters[account][grantHash];
        stored.value = stored.value.revoked();
        emit Revoked(grantHash, account, msg.sender);
    }

    function _requireEpoch(address account, uint256 epoch) private view {
        uint256 current = _epochs[account];
        if (epoch != current) revert OtherEpoch(epoch, current);
    }

    /// The digest that the payer signs.
    function _nameOf(SpendWords memory words) private view returns (bytes32) {
        return _hashTypedDataV4(words.hash());
    }

    /// All that has to hold for a spend before its amount is looked at.
    /// @return grantHash Its name.
    /// @return stored Its counters: it is in force.
    function _judge(
        SpendWords memory words,
        address[] calldata payees,
        address payee
    ) private view returns (bytes32 grantHash, Word storage stored) {
        _requireEpoch(words.account, words.epoch);
        grantHash = _nameOf(words);
        stored = _counters[words.account][grantHash];
        Status status = stored.value.statusOf();
        if (status != Status.Granted) {
            if (status == Status.Revoked) revert ISpendPolicy.AlreadyRevoked(grantHash);
            revert ISpendPolicy.NotGranted(grantHash);
        }
        words.requireInTime();
        words.requirePayee(payees, payee);
    }

    /// Whom the caller is executing for, if it is the grant's agent, and an account whose word on that counts.
    function _agentExecuting(SpendWords memory words) private view returns (address) {
        if (msg.sender != words.agent) revert NotAgent(msg.sender, words.agent);
        bytes32 code = msg.sender.codehash;
        if (code != CLONE && code != DELEGATION) revert NotAgentAccount(msg.sender);
        return IAgentAccount(msg.sender).agentExecuting();
    }

    /// Moves the tokens: exactly so many, or none. The counters are stored already.
    function _pull(SpendWords memory words, address payee, uint256 amount, Source source) private {
        (address token, address account) = (words.token, words.account);
        uint256 paying = _balanceOf(token, account);
        uint256 receiving = _balanceOf(token, payee);
        if (source == Source.Token) IERC20(token).safeTransferFrom(account, payee, amount);
        else PERMIT2.transferFrom(account, payee, uint160(amount), token); // at most perCall
        uint256 left = _balanceOf(token, account);
        if (left + amount < paying) revert TookMore(paying - left, amount);
        uint256 has = _balanceOf(token, payee);
        if (has < receiving + amount) revert ArrivedLess(has > receiving ? has - receiving : 0, amount);
    }

    /// What a token says that somebody has. Without an answer, as where there is no code, it reverts.
    function _balanceOf(address token, address holder) private view returns (uint256 amount) {
        bytes4 selector = IERC20.balanceOf.selector;
        bool done;
        // amount = IERC20(token).balanceOf(holder), without asking for its code first
        assembly ("memory-safe") {
            mstore(0, selector)
            mstore(0x04, holder)
            done := and(gt(returndatasize(), 0x1f), staticcall(gas(), token, 0, 0x24, 0, 0x20))
            amount := mload(0)
        }
        if (!done) revert TokenNotAllowed(token);
    }

    /// Whether an account signed: its key, or the contract that it is, deployed now if the signature says how.
    function _isSigned(address account, bytes32 hash, bytes memory signature) private returns (bool) {
        (address factory, bytes memory deployment, bytes memory inner) = _unwrap(signature);
        if (factory != address(0) && account.code.length == 0) OUTSIDER.run(factory, deployment);
        if (account.code.length == 0 || EIP7702Utils.fetchDelegate(account) != address(0)) {
            (address signer, ECDSA.RecoverError failure, ) = ECDSA.tryRecover(hash, inner);
            if (failure == ECDSA.RecoverError.NoError && signer == account) return true;
        }
        return account.code.length != 0 && SignatureChecker.isValidERC1271SignatureNow(account, hash, inner);
    }

    /// The parts of an ERC-6492 signature; of any other, the signature itself.
    function _unwrap(
        bytes memory signature
    ) private pure returns (address factory, bytes memory deployment, bytes memory inner) {
        uint256 length = signature.length;
        bytes32 end;
        // end = the last 32 bytes, if there are so many
        assembly ("memory-safe") {
            if gt(length, 0x1f) {
                end := mload(add(signature, length))
            }
        }
        if (end != WRAPPED) return (address(0), "", signature);
        return abi.decode(signature, (address, bytes, bytes));
    }
}
