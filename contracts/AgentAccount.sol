// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {IEntryPoint, PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {ERC4337Utils} from "@openzeppelin/contracts/account/utils/ERC4337Utils.sol";
import {EIP7702Utils} from "@openzeppelin/contracts/account/utils/EIP7702Utils.sol";
import {ERC7579Utils} from "@openzeppelin/contracts/account/utils/draft-ERC7579Utils.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IAgentAccount} from "./interfaces/IAgentAccount.sol";
import {IDecisionLog} from "./interfaces/IDecisionLog.sol";
import {Grant, Usage} from "./interfaces/ISpendPolicy.sol";
import {Calldata} from "./libraries/Calldata.sol";
import {Counters} from "./libraries/Counters.sol";
import {Request, SpendPolicy} from "./libraries/SpendPolicy.sol";

/// The account behind every clone; `IAgentAccount` is its manual.
/// @dev Storage starts at erc7201("bursar.AgentAccount"), so that an EOA can delegate here without meeting other code's slots.
contract AgentAccount is IAgentAccount layout at erc7201("bursar.AgentAccount") {
    using Calldata for bytes;
    using Counters for uint256;
    using TransientSlot for *;

    bytes32 private constant SINGLE = 0;
    bytes32 private constant BATCH = bytes32(bytes1(0x01));

    string private constant NAME = "Bursar";
    string private constant VERSION = "1";
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant NAME_HASH = keccak256(bytes(NAME));
    bytes32 private constant VERSION_HASH = keccak256(bytes(VERSION));

    address private immutable ENTRY_POINT;
    address private immutable DECISION_LOG;

    /// One word, read by every operation.
    struct Head {
        address owner;
        uint16 epoch;
        bool frozen;
    }

    Head private _head;

    /// Packed counters by policy id (`Counters`).
    mapping(bytes32 policyId => uint256 word) private _words;

    modifier onlyOwner() {
        _requireOwner();
        _;
    }

    /// @param entryPoint_ EntryPoint 0.8 or later.
    /// @param decisionLog_ Where agents' decisions are committed.
    constructor(address entryPoint_, address decisionLog_) {
        ENTRY_POINT = entryPoint_;
        DECISION_LOG = decisionLog_;
        // The implementation owns itself: it can't be initialized, and nobody can call it as its owner.
        _head.owner = address(this);
    }

    /// The native coin is welcome from anybody.
    receive() external payable {}

    /// @inheritdoc IAgentAccount
    function initialize(address owner_) external {
        if (_head.owner != address(0)) revert AlreadyInitialized();
        if (owner_ == address(0)) revert ZeroOwner();
        if (msg.sender != address(this) && EIP7702Utils.fetchDelegate(address(this)) != address(0))
            revert NotOwner(msg.sender);
        _head.owner = owner_;
    }

    /// @inheritdoc IAgentAccount
    function validateUserOp(
        PackedUserOperation calldata userOp,
        bytes32 userOpHash,
        uint256 missingAccountFunds
    ) external returns (uint256 validationData) {
        if (msg.sender != ENTRY_POINT) revert NotEntryPoint(msg.sender);
        bytes calldata signature = userOp.signature;
        validationData =
            signature.length == 64 || signature.length == 65
                ? _validateOwner(signature, userOpHash)
                : _validateAgent(userOp, signature, userOpHash);
        // The EntryPoint checks what it got.
        if (missingAccountFunds != 0) LowLevelCall.callNoReturn(ENTRY_POINT, missingAccountFunds, "");
    }

    /// @inheritdoc IAgentAccount
    function execute(bytes32 mode, bytes calldata executionCalldata) external payable {
        if (msg.sender == ENTRY_POINT) _requireNotStopped(msg.data.hash());
        else _requireOwner();
        if (mode == SINGLE) {
            _call(
                address(bytes20(executionCalldata.word(0))),
                uint256(executionCalldata.word(20)),
                executionCalldata[52:]
            );
        } else if (mode == BATCH) {
            Execution[] calldata calls = ERC7579Utils.decodeBatch(executionCalldata);
            for (uint256 i = 0; i < calls.length; ++i)
                _call(calls[i].target, calls[i].value, calls[i].callData);
        } else {
            revert ModeNotSupported(mode);
        }
    }

    /// @inheritdoc IAgentAccount
    function grant(Grant calldata terms) external onlyOwner returns (bytes32 policyId) {
        policyId = SpendPolicy.policyIdOf(terms);
        _words[policyId] = _install(policyId, terms, SpendPolicy.packTerms(terms), _head.epoch);
    }

    /// @inheritdoc IAgentAccount
    function revoke(bytes32 policyId) external onlyOwner {
        _words[policyId] = _words[policyId].revoked();
        emit Revoked(policyId);
    }

    /// @inheritdoc IAgentAccount
    function revokeAll() external onlyOwner {
        uint16 current = _head.epoch;
        if (current == type(uint16).max) revert EpochExhausted();
        _head.epoch = current + 1;
        emit EpochChanged(current + 1);
    }

    /// @inheritdoc IAgentAccount
    function freeze() external onlyOwner {
        _head.frozen = true;
        emit AccountFrozen();
    }

    /// @inheritdoc IAgentAccount
    function unfreeze() external onlyOwner {
        _head.frozen = false;
        emit AccountUnfrozen();
    }

    /// @inheritdoc IAgentAccount
    function withdraw(address asset, address payable to, uint256 amount) external onlyOwner {
        if (asset == address(0)) Address.sendValue(to, amount);
        else SafeERC20.safeTransfer(IERC20(asset), to, amount);
        emit Withdrawn(asset, to, amount);
    }

    /// @inheritdoc IAgentAccount
    function withdrawDeposit(address payable to, uint256 amount) external onlyOwner {
        IEntryPoint(ENTRY_POINT).withdrawTo(to, amount);
        emit DepositWithdrawn(to, amount);
    }

    /// @inheritdoc IAgentAccount
    function owner() external view returns (address) {
        return _head.owner;
    }

    /// @inheritdoc IAgentAccount
    function epoch() external view returns (uint256) {
        return _head.epoch;
    }

    /// @inheritdoc IAgentAccount
    function frozen() external view returns (bool) {
        return _head.frozen;
    }

    /// @inheritdoc IAgentAccount
    function usage(bytes32 policyId) external view returns (Usage memory) {
        return _words[policyId].decode();
    }

    /// @inheritdoc IAgentAccount
    function counters(bytes32 policyId) external view returns (uint256) {
        return _words[policyId];
    }

    /// @inheritdoc IAgentAccount
    function policyIdOf(Grant calldata terms) external pure returns (bytes32) {
        return SpendPolicy.policyIdOf(terms);
    }

    /// @inheritdoc IAgentAccount
    function termsOf(Grant calldata terms) external pure returns (bytes24) {
        return SpendPolicy.packTerms(terms);
    }

    /// @inheritdoc IAgentAccount
    function grantOf(
        address agent,
        address asset,
        bytes32 payees,
        bytes24 terms
    ) external pure returns (Grant memory grant_) {
        (grant_.agent, grant_.asset, grant_.payees) = (agent, asset, payees);
        SpendPolicy.unpackTerms(grant_, terms);
    }

    /// @inheritdoc IAgentAccount
    function entryPoint() external view returns (address) {
        return ENTRY_POINT;
    }

    /// @inheritdoc IAgentAccount
    function decisionLog() external view returns (address) {
        return DECISION_LOG;
    }

    /// @inheritdoc IAgentAccount
    function accountId() external pure returns (string memory) {
        return "bursar.agent-account.0.1.0";
    }

    /// @inheritdoc IERC5267
    function eip712Domain()
        external
        view
        returns (bytes1, string memory, string memory, uint256, address, bytes32, uint256[] memory)
    {
        // Fields name, version, chainId and verifyingContract.
        return (hex"0f", NAME, VERSION, block.chainid, address(this), 0, new uint256[](0));
    }

    /// The owner may do everything, so only the signature counts. EIP-2098 or r, s, v; over the userOpHash as it is.
    function _validateOwner(bytes calldata signature, bytes32 userOpHash) private view returns (uint256) {
        address signer;
        if (signature.length == 64) {
            (signer, , ) = ECDSA.tryRecover(userOpHash, bytes32(signature), bytes32(signature[32:]));
        } else {
            (signer, , ) = ECDSA.tryRecoverCalldata(userOpHash, signature);
        }
        return
            signer != address(0) && signer == _head.owner
                ? ERC4337Utils.SIG_VALIDATION_SUCCESS
                : ERC4337Utils.SIG_VALIDATION_FAILED;
    }

    /// Reads, judges, meters and logs an agent's operation, and only then looks at the signatures.
    function _validateAgent(
        PackedUserOperation calldata userOp,
        bytes calldata signature,
        bytes32 userOpHash
    ) private returns (uint256) {
        bytes calldata callData = userOp.callData;
        Request memory request;
        SpendPolicy.read(request, userOp, signature, callData);
        Head storage head = _head;
        if (head.frozen) revert Frozen();

        (uint256 word, bool ownerSigned) = _liveWord(request, signature, head);
        _words[request.policyId] = SpendPolicy.meter(word, request);
        address agent = request.grant.agent; // never zero: `SpendPolicy.install` saw to that
        address lane = address(uint160(userOp.nonce >> 64));
        if (lane != agent) revert LaneNotAllowed(lane, agent);
        IDecisionLog(DECISION_LOG).commit(address(this), agent, request.size, request.root);
        if (request.kind != SpendPolicy.EMPTY) {
            if (request.payee == address(0) || _isOwnPart(request.payee))
                revert PayeeNotAllowed(request.payee);
            _mark(callData.hash(), request.policyId);
        }

        (bytes32 r, bytes32 vs) = SpendPolicy.agentSignature(signature);
        bytes32 signedHash = SpendPolicy.operationHash(request, userOpHash);
        bool signed = _recover(signedHash, r, vs) == agent && ownerSigned;
        uint256 verdict = signed ? ERC4337Utils.SIG_VALIDATION_SUCCESS : ERC4337Utils.SIG_VALIDATION_FAILED;
        return (request.validAfter << 208) | (request.validUntil << 160) | verdict;
    }

    /// The counters of a live policy; with a grant inside, of one that becomes live now if the owner signed it.
    function _liveWord(
        Request memory request,
        bytes calldata signature,
        Head storage head
    ) private returns (uint256 word, bool ownerSigned) {
        bytes32 policyId = request.policyId;
        if (request.kind == SpendPolicy.GRANT_INSIDE) {
            (bytes32 r, bytes32 vs) = SpendPolicy.ownerSignature(signature);
            address signer = _recover(SpendPolicy.installHash(policyId, head.epoch), r, vs);
            // An account that nobody initialized has no owner: not even zero, which a bad signature recovers to.
            ownerSigned = signer == head.owner && signer != address(0);
            return (_install(policyId, request.grant, request.terms, head.epoch), ownerSigned);
        }
        word = _words[policyId];
        if (!word.isLive(head.epoch)) revert NotGranted(policyId);
        return (word, true);
    }

    /// The counters with the grant in force. The caller stores them.
    function _install(
        bytes32 policyId,
        Grant memory terms,
        bytes24 packed,
        uint256 epoch_
    ) private returns (uint256 word) {
        if (_isOwnPart(terms.asset)) revert AssetNotAllowed(terms.asset);
        word = SpendPolicy.install(_words[policyId], terms, policyId, epoch_);
        emit Granted(policyId, terms.agent, terms.asset, terms.payees, packed, epoch_);
    }

    /// Leaves a note for `execute`, until the end of the transaction: this callData is an agent's.
    function _mark(bytes32 callHash, bytes32 policyId) private {
        bytes32 other = callHash.asBytes32().tload();
        if (other != 0 && other != policyId) revert AmbiguousCall(callHash);
        callHash.asBytes32().tstore(policyId);
    }

    /// Lets the owner's calls pass, and those of agents who were not stopped since validation.
    function _requireNotStopped(bytes32 callHash) private view {
        bytes32 policyId = callHash.asBytes32().tload();
        if (policyId == 0) return;
        Head storage head = _head;
        if (head.frozen) revert Frozen();
        if (!_words[policyId].isLive(head.epoch)) revert NotGranted(policyId);
    }

    function _requireOwner() private view {
        if (msg.sender != _head.owner && msg.sender != address(this)) revert NotOwner(msg.sender);
    }

    /// Addresses an agent may neither call nor pay. (The asset is checked once, when it is granted.)
    function _isOwnPart(address target) private view returns (bool) {
        return target == address(this) || target == ENTRY_POINT || target == DECISION_LOG;
    }

    /// Calls, and passes a failure on as it is.
    function _call(address target, uint256 value, bytes calldata data) private {
        if (!LowLevelCall.callNoReturn(target, value, data)) LowLevelCall.bubbleRevert();
    }

    /// Who signed an EIP-712 struct of this account; zero if nobody, or with a high s.
    function _recover(bytes32 structHash, bytes32 r, bytes32 vs) private view returns (address signer) {
        bytes32 separator = keccak256(
            abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this))
        );
        (signer, , ) = ECDSA.tryRecover(MessageHashUtils.toTypedDataHash(separator, structHash), r, vs);
    }
}
