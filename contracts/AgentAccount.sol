// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {IEntryPoint, PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {ERC4337Utils} from "@openzeppelin/contracts/account/utils/ERC4337Utils.sol";
import {EIP7702Utils} from "@openzeppelin/contracts/account/utils/EIP7702Utils.sol";
import {ERC7579Utils} from "@openzeppelin/contracts/account/utils/draft-ERC7579Utils.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ERC7739} from "@openzeppelin/contracts/utils/cryptography/signers/draft-ERC7739.sol";
import {PolicyBook} from "./PolicyBook.sol";
import {IAgentAccount} from "./interfaces/IAgentAccount.sol";
import {Extras, Grant, Usage} from "./interfaces/ISpendPolicy.sol";
import {Calldata} from "./libraries/Calldata.sol";
import {Counters} from "./libraries/Counters.sol";
import {Caps} from "./libraries/Caps.sol";
import {Terms, TermsLibrary} from "./libraries/Terms.sol";

/// The account behind every clone; `IAgentAccount` is its manual.
/// @dev Storage starts at erc7201("bursar.AgentAccount"), so that an EOA can delegate here without meeting other code's slots.
contract AgentAccount is PolicyBook, ERC7739, IAgentAccount layout at erc7201("bursar.AgentAccount") {
    using Calldata for bytes;
    using Calldata for PackedUserOperation;
    using Counters for uint256;
    using TermsLibrary for Terms;
    using TransientSlot for *;

    bytes32 private constant SINGLE = 0;
    bytes32 private constant BATCH = bytes32(bytes1(0x01));
    /// Transient: the agent whose batch is being executed. Single calls, most payments, don't touch it: 70 gas each.
    bytes32 private constant EXECUTING = keccak256("bursar.AgentAccount.agentExecuting");
    /// Transient notes of agents hold the agent in the low 160 bits, and above them for how many operations.
    uint256 private constant ONE_OPERATION = 1 << 160;

    string private constant NAME = "Bursar";
    string private constant VERSION = "1";
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    // Of the literals: keccak256(bytes(NAME)) would be computed at every use.
    bytes32 private constant NAME_HASH = keccak256("Bursar");
    bytes32 private constant VERSION_HASH = keccak256("1");

    address private immutable ENTRY_POINT;

    Head private _ownHead;
    mapping(bytes32 policyId => Entry entry) private _entries;
    mapping(address asset => Word cap) private _caps;
    mapping(bytes32 hash => Word state) private _approvals;
    mapping(address guardian => Word active) private _guardians;

    modifier onlyOwner() {
        _requireOwner();
        _;
    }

    /// @param entryPoint_ EntryPoint 0.8 or later.
    /// @param decisionLog_ Where agents' decisions are committed.
    constructor(address entryPoint_, address decisionLog_) PolicyBook(decisionLog_) EIP712(NAME, VERSION) {
        ENTRY_POINT = entryPoint_;
        // The implementation owns itself: it can't be initialized, and nobody can call it as its owner.
        _ownHead.owner = address(this);
    }

    /// The native coin is welcome from anybody.
    receive() external payable {}

    /// @inheritdoc IAgentAccount
    function initialize(address owner_) external {
        if (_ownHead.owner != address(0)) revert AlreadyInitialized();
        if (owner_ == address(0)) revert ZeroOwner();
        if (msg.sender != address(this) && EIP7702Utils.fetchDelegate(address(this)) != address(0))
            revert NotOwner(msg.sender);
        _ownHead.owner = owner_;
    }

    /// @inheritdoc IAgentAccount
    function validateUserOp(
        PackedUserOperation calldata userOp,
        bytes32 userOpHash,
        uint256 missingAccountFunds
    ) external returns (uint256 validationData) {
        if (msg.sender != ENTRY_POINT) revert NotEntryPoint(msg.sender);
        bytes calldata signature = userOp.signatureOf();
        validationData =
            signature.length | 1 == 65 // 64 or 65
                ? _validateOwner(signature, userOpHash)
                : _validateAgent(address(this), userOp, signature, userOpHash);
        // The EntryPoint checks what it got.
        if (missingAccountFunds != 0) LowLevelCall.callNoReturn(ENTRY_POINT, missingAccountFunds, "");
    }

    /// @inheritdoc IAgentAccount
    function execute(bytes32 mode, bytes calldata executionCalldata) external payable {
        if (msg.sender == ENTRY_POINT) _requireNotStopped(address(this), msg.data.hash());
        else _startAsOwner();
        if (mode == SINGLE) {
            _call(
                address(bytes20(executionCalldata.word(0))),
                uint256(executionCalldata.word(20)),
                executionCalldata[52:]
            );
        } else if (mode == BATCH) {
            _executeBatch(executionCalldata);
        } else {
            revert ModeNotSupported(mode);
        }
    }

    /// @inheritdoc IAgentAccount
    function grant(Grant calldata terms) external onlyOwner returns (bytes32 policyId) {
        return _grant(address(this), terms);
    }

    /// @inheritdoc IAgentAccount
    function grantBySignature(
        Grant calldata terms,
        bytes calldata signature
    ) external returns (bytes32 policyId) {
        return _grantBySignature(address(this), _ownHead.owner, terms, signature);
    }

    /// @inheritdoc IAgentAccount
    function replace(
        Grant calldata oldTerms,
        Grant calldata newTerms
    ) external onlyOwner returns (bytes32 policyId) {
        return _replace(address(this), oldTerms, newTerms);
    }

    /// @inheritdoc IAgentAccount
    function revoke(bytes32 policyId) external onlyOwner {
        _revoke(address(this), policyId);
    }

    /// @inheritdoc IAgentAccount
    function revokeAll() external onlyOwner {
        _revokeAll(address(this));
    }

    /// @inheritdoc IAgentAccount
    function freeze() external {
        if (msg.sender != _ownHead.owner && msg.sender != address(this) && !isGuardian(msg.sender))
            revert NotGuardian(msg.sender);
        _freeze(address(this));
    }

    /// @inheritdoc IAgentAccount
    function unfreeze() external onlyOwner {
        _unfreeze(address(this));
    }

    /// @inheritdoc IAgentAccount
    function setGuardian(address guardian, bool active) external onlyOwner {
        _setGuardian(address(this), guardian, active);
    }

    /// @inheritdoc IAgentAccount
    function heartbeat() external onlyOwner {
        _beat(address(this));
    }

    /// @inheritdoc IAgentAccount
    function setCap(address asset, uint256 perWindow, uint256 bucket) external onlyOwner {
        _setCap(address(this), asset, perWindow, bucket);
    }

    /// @inheritdoc IAgentAccount
    function recordApproval(
        address approver,
        bytes32 policyId,
        bytes32 callHash,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _recordApproval(address(this), approver, policyId, callHash, nonce, deadline, signature);
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
        return _ownHead.owner;
    }

    /// @inheritdoc IAgentAccount
    function epoch() external view returns (uint256) {
        return _ownHead.epoch;
    }

    /// @inheritdoc IAgentAccount
    function frozen() external view returns (bool) {
        return _ownHead.frozen;
    }

    /// @inheritdoc IAgentAccount
    function lastHeartbeat() external view returns (uint256) {
        return _ownHead.heartbeat;
    }

    /// @inheritdoc IAgentAccount
    function isGuardian(address guardian) public view returns (bool) {
        return _guardians[guardian].value != 0;
    }

    /// @inheritdoc IAgentAccount
    function capOf(address asset) external view returns (uint256 perWindow, uint256 bucket) {
        return Caps.decode(_caps[asset].value);
    }

    /// @inheritdoc IAgentAccount
    function capCounters(address asset) external view returns (uint256) {
        return _caps[asset].value;
    }

    /// @inheritdoc IAgentAccount
    function approvalState(bytes32 hash) external view returns (uint256) {
        return _approvals[hash].value;
    }

    /// @inheritdoc IAgentAccount
    function usage(bytes32 policyId) external view returns (Usage memory) {
        return _entries[policyId].counters.decode();
    }

    /// @inheritdoc IAgentAccount
    function counters(bytes32 policyId) external view returns (uint256) {
        return _entries[policyId].counters;
    }

    /// @inheritdoc IAgentAccount
    function operationCounters(bytes32 policyId) external view returns (uint256) {
        return _entries[policyId].operations;
    }

    /// @inheritdoc IAgentAccount
    function policyIdOf(Grant calldata terms) external pure returns (bytes32) {
        return TermsLibrary.from(terms).idOf();
    }

    /// @inheritdoc IAgentAccount
    function termsOf(Grant calldata terms) external pure returns (bytes24 packed) {
        (packed, , ) = TermsLibrary.from(terms).pack();
    }

    /// @inheritdoc IAgentAccount
    function grantOf(
        address agent,
        address asset,
        bytes32 payees,
        bytes24 terms,
        Extras calldata extras
    ) external pure returns (Grant memory) {
        Terms memory unpacked;
        (unpacked.agent, unpacked.asset, unpacked.payees) = (agent, asset, payees);
        unpacked.unpack(terms);
        return unpacked.toGrant(extras);
    }

    /// @inheritdoc IAgentAccount
    function agentExecuting() public view returns (address) {
        return EXECUTING.asAddress().tload();
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
        return "bursar.agent-account.0.2.0";
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
            signer != address(0) && signer == _ownHead.owner
                ? ERC4337Utils.SIG_VALIDATION_SUCCESS
                : ERC4337Utils.SIG_VALIDATION_FAILED;
    }

    function _requireOwner() private view {
        if (msg.sender != _ownHead.owner && msg.sender != address(this)) revert NotOwner(msg.sender);
    }

    /// An owner without the EntryPoint may call amid an agent's batch: what follows is not the agent's any more.
    function _startAsOwner() private {
        _requireOwner();
        EXECUTING.asAddress().tstore(address(0));
    }

    /// Says whose calls they are while they run.
    function _executeBatch(bytes calldata executionCalldata) private {
        if (msg.sender == ENTRY_POINT) EXECUTING.asAddress().tstore(_takeAgentNote(msg.data.hash()));
        Execution[] calldata calls = ERC7579Utils.decodeBatch(executionCalldata);
        for (uint256 i = 0; i < calls.length; ++i) _call(calls[i].target, calls[i].value, calls[i].callData);
        EXECUTING.asAddress().tstore(address(0));
    }

    /// Uses up one note that this callData is an agent's, so that an owner's operation with the same callData, later in the
    /// bundle, is not taken for the agent's.
    /// @return agent Zero if there is none: then the owner is executing.
    function _takeAgentNote(bytes32 callHash) private returns (address agent) {
        bytes32 slot = _agentNoteSlot(callHash);
        uint256 note = slot.asUint256().tload();
        if (note < ONE_OPERATION) return address(0);
        slot.asUint256().tstore(note - ONE_OPERATION);
        return address(uint160(note));
    }

    /// Beside that of `_noteSlot`, which is a hash: no other note is there.
    function _agentNoteSlot(bytes32 callHash) private pure returns (bytes32) {
        return bytes32(uint256(callHash) ^ 1);
    }

    function _noteAgent(address, bytes32 callHash, address agent) internal override {
        bytes32 slot = _agentNoteSlot(callHash);
        // Another operation with this callData is one under the same policy (`_note`), hence the same agent's.
        uint256 operations = slot.asUint256().tload() >> 160;
        slot.asUint256().tstore(((operations + 1) << 160) | uint160(agent));
    }

    /// Calls, and passes a failure on as it is.
    function _call(address target, uint256 value, bytes calldata data) private {
        bool done;
        // (done, ) = target.call{value: value}(data), without keeping the memory or the answer
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, data.offset, data.length)
            done := call(gas(), target, value, free, data.length, 0, 0)
        }
        if (!done) LowLevelCall.bubbleRevert();
    }

    /// For ERC-1271 with ERC-7739, which keeps a signature of the owner for one account from serving for another.
    function _rawSignatureValidation(
        bytes32 hash,
        bytes calldata signature
    ) internal view override returns (bool) {
        return _isSignedBy(_ownHead.owner, hash, signature);
    }

    function _head(address) internal view override returns (Head storage) {
        return _ownHead;
    }

    function _entry(address, bytes32 policyId) internal view override returns (Entry storage) {
        return _entries[policyId];
    }

    function _cap(address, address asset) internal view override returns (Word storage) {
        return _caps[asset];
    }

    function _approval(address, bytes32 hash) internal view override returns (Word storage) {
        return _approvals[hash];
    }

    function _guardian(address, address guardian) internal view override returns (Word storage) {
        return _guardians[guardian];
    }

    function _noteSlot(address, bytes32 callHash) internal pure override returns (bytes32) {
        return callHash;
    }

    function _domainOf(address) internal view override returns (bytes32 domain) {
        (bytes32 typehash, bytes32 name, bytes32 version) = (DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH);
        // domain = keccak256(abi.encode(typehash, name, version, block.chainid, address(this))), without keeping the memory
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            mstore(add(free, 0x20), name)
            mstore(add(free, 0x40), version)
            mstore(add(free, 0x60), chainid())
            mstore(add(free, 0x80), address())
            domain := keccak256(free, 0xa0)
        }
    }

    function _requireLane(uint256 nonce, address agent) internal pure override {
        address lane = address(uint160(nonce >> 64));
        if (lane != agent) revert LaneNotAllowed(lane, agent);
    }

    function _isOwnPart(address, address target) internal view override returns (bool isOwn) {
        (address entryPoint_, address log) = (ENTRY_POINT, DECISION_LOG);
        // isOwn = target == address(this) || target == entryPoint_ || target == log, without a branch for each
        assembly ("memory-safe") {
            isOwn := or(eq(target, address()), or(eq(target, entryPoint_), eq(target, log)))
        }
    }
}
