// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {MODULE_TYPE_HOOK, MODULE_TYPE_VALIDATOR} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {PolicyBook} from "./PolicyBook.sol";
import {Extras, Grant, Usage} from "./interfaces/ISpendPolicy.sol";
import {ISpendPolicyValidator} from "./interfaces/ISpendPolicyValidator.sol";
import {Calldata} from "./libraries/Calldata.sol";
import {Caps} from "./libraries/Caps.sol";
import {Counters} from "./libraries/Counters.sol";
import {Terms, TermsLibrary} from "./libraries/Terms.sol";

/// The module that keeps a policy book for each account; `ISpendPolicyValidator` is its manual.
/// @dev The account is the innermost key of all that validation touches: slots keccak(account ‖ x) + n (ERC-7562 STO-021).
contract SpendPolicyValidator is PolicyBook, ISpendPolicyValidator {
    using Calldata for bytes;
    using Counters for uint256;
    using TermsLibrary for Terms;

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    );
    bytes32 private constant NAME_HASH = keccak256("Bursar");
    bytes32 private constant VERSION_HASH = keccak256("1");

    address private immutable ENTRY_POINT_07;
    address private immutable ENTRY_POINT_08;
    address private immutable ENTRY_POINT_09;

    mapping(address account => Head head) private _heads;
    mapping(bytes32 policyId => mapping(address account => Entry)) private _entries;
    mapping(address asset => mapping(address account => Word)) private _caps;
    mapping(bytes32 hash => mapping(address account => Word)) private _approvals;
    mapping(address guardian => mapping(address account => Word)) private _guardians;
    /// As how many types an account has the module installed.
    mapping(address account => uint256 types) private _installations;

    modifier onlyOwner(address account) {
        if (msg.sender != account && msg.sender != _heads[account].owner) revert NotOwner(msg.sender);
        _;
    }

    /// @param decisionLog_ Where agents' decisions are committed.
    /// @param entryPoint07, entryPoint08, entryPoint09 The canonical EntryPoints: no agent may call or pay them.
    constructor(
        address decisionLog_,
        address entryPoint07,
        address entryPoint08,
        address entryPoint09
    ) PolicyBook(decisionLog_) {
        ENTRY_POINT_07 = entryPoint07;
        ENTRY_POINT_08 = entryPoint08;
        ENTRY_POINT_09 = entryPoint09;
    }

    /// @inheritdoc ISpendPolicyValidator
    function onInstall(bytes calldata data) external {
        if (data.length != 0 && data.length != 20) revert InstallDataNotAllowed(data.length);
        ++_installations[msg.sender];
        if (data.length == 20) _setOwner(msg.sender, address(bytes20(data)));
    }

    /// @inheritdoc ISpendPolicyValidator
    function onUninstall(bytes calldata) external {
        if (_heads[msg.sender].epoch == type(uint16).max) _freeze(msg.sender);
        else _revokeAll(msg.sender);
        uint256 installations = _installations[msg.sender];
        if (installations > 1) {
            _installations[msg.sender] = installations - 1;
        } else {
            delete _installations[msg.sender];
            _setOwner(msg.sender, address(0));
        }
    }

    /// @inheritdoc ISpendPolicyValidator
    function validateUserOp(
        PackedUserOperation calldata userOp,
        bytes32 userOpHash
    ) external returns (uint256 validationData) {
        return _validateAgent(msg.sender, userOp, userOp.signature, userOpHash);
    }

    /// @inheritdoc ISpendPolicyValidator
    function preCheck(
        address,
        uint256,
        bytes calldata msgData
    ) external view returns (bytes memory hookData) {
        _requireNotStopped(msg.sender, msgData.hash());
        return hookData;
    }

    /// @inheritdoc ISpendPolicyValidator
    // solhint-disable-next-line no-empty-blocks
    function postCheck(bytes calldata) external pure {}

    /// @inheritdoc ISpendPolicyValidator
    function isValidSignatureWithSender(address, bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }

    /// @inheritdoc ISpendPolicyValidator
    function isModuleType(uint256 moduleTypeId) external pure returns (bool) {
        return moduleTypeId == MODULE_TYPE_VALIDATOR || moduleTypeId == MODULE_TYPE_HOOK;
    }

    /// @inheritdoc ISpendPolicyValidator
    function isInitialized(address account) external view returns (bool) {
        return _installations[account] != 0;
    }

    /// @inheritdoc ISpendPolicyValidator
    function setOwner(address owner_) external {
        _setOwner(msg.sender, owner_);
    }

    /// @inheritdoc ISpendPolicyValidator
    function grant(
        address account,
        Grant calldata terms
    ) external onlyOwner(account) returns (bytes32 policyId) {
        return _grant(account, terms);
    }

    /// @inheritdoc ISpendPolicyValidator
    function grantBySignature(
        address account,
        Grant calldata terms,
        bytes calldata signature
    ) external returns (bytes32 policyId) {
        return _grantBySignature(account, _heads[account].owner, terms, signature);
    }

    /// @inheritdoc ISpendPolicyValidator
    function replace(
        address account,
        Grant calldata oldTerms,
        Grant calldata newTerms
    ) external onlyOwner(account) returns (bytes32 policyId) {
        return _replace(account, oldTerms, newTerms);
    }

    /// @inheritdoc ISpendPolicyValidator
    function revoke(address account, bytes32 policyId) external onlyOwner(account) {
        _revoke(account, policyId);
    }

    /// @inheritdoc ISpendPolicyValidator
    function revokeAll(address account) external onlyOwner(account) {
        _revokeAll(account);
    }

    /// @inheritdoc ISpendPolicyValidator
    function freeze(address account) external {
        if (msg.sender != account && msg.sender != _heads[account].owner && !isGuardian(account, msg.sender))
            revert NotGuardian(msg.sender);
        _freeze(account);
    }

    /// @inheritdoc ISpendPolicyValidator
    function unfreeze(address account) external onlyOwner(account) {
        _unfreeze(account);
    }

    /// @inheritdoc ISpendPolicyValidator
    function setGuardian(address account, address guardian, bool active) external onlyOwner(account) {
        _setGuardian(account, guardian, active);
    }

    /// @inheritdoc ISpendPolicyValidator
    function heartbeat(address account) external onlyOwner(account) {
        _beat(account);
    }

    /// @inheritdoc ISpendPolicyValidator
    function setCap(
        address account,
        address asset,
        uint256 perWindow,
        uint256 bucket
    ) external onlyOwner(account) {
        _setCap(account, asset, perWindow, bucket);
    }

    /// @inheritdoc ISpendPolicyValidator
    function recordApproval(
        address account,
        address approver,
        bytes32 policyId,
        bytes32 callHash,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _recordApproval(account, approver, policyId, callHash, nonce, deadline, signature);
    }

    /// @inheritdoc ISpendPolicyValidator
    function owner(address account) external view returns (address) {
        return _heads[account].owner;
    }

    /// @inheritdoc ISpendPolicyValidator
    function epoch(address account) external view returns (uint256) {
        return _heads[account].epoch;
    }

    /// @inheritdoc ISpendPolicyValidator
    function frozen(address account) external view returns (bool) {
        return _heads[account].frozen;
    }

    /// @inheritdoc ISpendPolicyValidator
    function lastHeartbeat(address account) external view returns (uint256) {
        return _heads[account].heartbeat;
    }

    /// @inheritdoc ISpendPolicyValidator
    function isGuardian(address account, address guardian) public view returns (bool) {
        return _guardians[guardian][account].value != 0;
    }

    /// @inheritdoc ISpendPolicyValidator
    function capOf(address account, address asset) external view returns (uint256 perWindow, uint256 bucket) {
        return Caps.decode(_caps[asset][account].value);
    }

    /// @inheritdoc ISpendPolicyValidator
    function capCounters(address account, address asset) external view returns (uint256) {
        return _caps[asset][account].value;
    }

    /// @inheritdoc ISpendPolicyValidator
    function approvalState(address account, bytes32 hash) external view returns (uint256) {
        return _approvals[hash][account].value;
    }

    /// @inheritdoc ISpendPolicyValidator
    function usage(address account, bytes32 policyId) external view returns (Usage memory) {
        return _entries[policyId][account].counters.decode();
    }

    /// @inheritdoc ISpendPolicyValidator
    function counters(address account, bytes32 policyId) external view returns (uint256) {
        return _entries[policyId][account].counters;
    }

    /// @inheritdoc ISpendPolicyValidator
    function operationCounters(address account, bytes32 policyId) external view returns (uint256) {
        return _entries[policyId][account].operations;
    }

    /// @inheritdoc ISpendPolicyValidator
    function policyIdOf(Grant calldata terms) external pure returns (bytes32) {
        return TermsLibrary.from(terms).idOf();
    }

    /// @inheritdoc ISpendPolicyValidator
    function termsOf(Grant calldata terms) external pure returns (bytes24 packed) {
        (packed, , ) = TermsLibrary.from(terms).pack();
    }

    /// @inheritdoc ISpendPolicyValidator
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

    /// @inheritdoc ISpendPolicyValidator
    function domainSeparator(address account) external view returns (bytes32) {
        return _domainOf(account);
    }

    /// @inheritdoc ISpendPolicyValidator
    function decisionLog() external view returns (address) {
        return DECISION_LOG;
    }

    /// @inheritdoc ISpendPolicyValidator
    function entryPoints() external view returns (address[3] memory) {
        return [ENTRY_POINT_07, ENTRY_POINT_08, ENTRY_POINT_09];
    }

    function _setOwner(address account, address owner_) private {
        _heads[account].owner = owner_;
        emit OwnerSet(account, owner_);
    }

    function _head(address account) internal view override returns (Head storage) {
        return _heads[account];
    }

    function _entry(address account, bytes32 policyId) internal view override returns (Entry storage) {
        return _entries[policyId][account];
    }

    function _cap(address account, address asset) internal view override returns (Word storage) {
        return _caps[asset][account];
    }

    function _approval(address account, bytes32 hash) internal view override returns (Word storage) {
        return _approvals[hash][account];
    }

    function _guardian(address account, address guardian) internal view override returns (Word storage) {
        return _guardians[guardian][account];
    }

    /// Transient storage is storage for ERC-7562.
    function _noteSlot(address account, bytes32 callHash) internal pure override returns (bytes32) {
        return keccak256(abi.encode(account, callHash));
    }

    /// The module executes nothing, so it can't say who is executing.
    // solhint-disable-next-line no-empty-blocks
    function _noteAgent(address, bytes32, address) internal pure override {}

    function _domainOf(address account) internal view override returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    DOMAIN_TYPEHASH,
                    NAME_HASH,
                    VERSION_HASH,
                    block.chainid,
                    address(this),
                    uint256(uint160(account))
                )
            );
    }

    /// Where the account put the module's address says whose layout it is.
    function _requireLane(uint256 nonce, address agent) internal view override {
        uint256 lane;
        uint256 length;
        if (address(uint160(nonce >> 96)) == address(this)) (lane, length) = (uint32(nonce >> 64), 4);
        else if (address(uint160(nonce >> 64)) == address(this)) (lane, length) = (nonce >> 232, 3);
        else if (address(uint160(nonce >> 80)) == address(this)) (lane, length) = (uint16(nonce >> 64), 2);
        else revert LaneNotAllowed(address(0), agent);
        uint256 rest = 160 - 8 * length;
        if (lane != uint160(agent) >> rest) revert LaneNotAllowed(address(uint160(lane << rest)), agent);
    }

    function _isOwnPart(address account, address target) internal view override returns (bool) {
        return
            target == account ||
            target == address(this) ||
            target == DECISION_LOG ||
            target == ENTRY_POINT_07 ||
            target == ENTRY_POINT_08 ||
            target == ENTRY_POINT_09;
    }
}
