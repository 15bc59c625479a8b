// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {PolicyBook} from "../../../contracts/PolicyBook.sol";
import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";

/// The real law with a door that lets anybody in, and many steps at once: what `test/differential/` compares the twin with.
/// Every account is an address without code, so each history takes one of its own and begins with nothing.
contract LawHarness is PolicyBook {
    address private immutable ENTRY_POINT;

    /// Bytes before the call of a step: policy 32, old policy 32, approval 32, account 20, asset 20, length of the call 4.
    uint256 private constant HEADER = 140;

    mapping(address account => Head) private _heads;
    mapping(address account => mapping(bytes32 policyId => Entry)) private _entries;
    mapping(address account => mapping(address asset => Word)) private _caps;
    mapping(address account => mapping(bytes32 hash => Word)) private _approvals;
    mapping(address account => mapping(address guardian => Word)) private _guardians;
    /// Notes of an earlier one are forgotten, as transient storage forgets them at the end of a transaction.
    uint256 private _bundle;

    constructor(address entryPoint_, address decisionLog_) PolicyBook(decisionLog_) {
        ENTRY_POINT = entryPoint_;
    }

    /// Calls itself once for each step. What a step reverts is undone, and told.
    /// @param steps One after the other: header, call.
    /// @return answers One after the other: length of what follows 4, success 1, head, counters, operations, cap, approval,
    /// counters of the old policy (32 each), what the call returned or reverted with.
    function run(bytes calldata steps) external returns (bytes memory answers) {
        bytes[] memory all = new bytes[](4096);
        uint256 count = 0;
        for (uint256 at = 0; at < steps.length;) {
            uint256 end = at + HEADER + uint32(bytes4(steps[at + HEADER - 4:]));
            (bool success, bytes memory told) = address(this).call(steps[at + HEADER:end]);
            bytes memory answer = abi.encodePacked(success, _words(steps[at:]), told);
            all[count++] = abi.encodePacked(uint32(answer.length), answer);
            at = end;
        }
        return _joined(all, count);
    }

    // A step calls one of these.

    function validate(address account, PackedUserOperation calldata userOp) external returns (uint256) {
        return _validateAgent(account, userOp, userOp.signature, 0);
    }

    function grant(address account, Grant calldata grant_) external {
        _grant(account, grant_);
    }

    function replace(address account, Grant calldata oldGrant, Grant calldata newGrant) external {
        _replace(account, oldGrant, newGrant);
    }

    function revoke(address account, bytes32 policyId) external {
        _revoke(account, policyId);
    }

    function revokeAll(address account) external {
        _revokeAll(account);
    }

    function freeze(address account) external {
        _freeze(account);
    }

    function unfreeze(address account) external {
        _unfreeze(account);
    }

    function beat(address account) external {
        _beat(account);
    }

    function setCap(address account, address asset, uint256 perWindow, uint256 bucket) external {
        _setCap(account, asset, perWindow, bucket);
    }

    /// The approver is this contract, which calls itself: so nobody has to sign.
    function recordApproval(
        address account,
        bytes32 policyId,
        bytes32 callHash,
        uint256 nonce,
        uint256 deadline
    ) external {
        _recordApproval(account, address(this), policyId, callHash, nonce, deadline, msg.data[0:0]);
    }

    function nextBundle() external {
        ++_bundle;
    }

    /// Puts an account where a history would take too long to get to.
    function poke(address account, uint16 epoch, uint40 heartbeat) external {
        (_heads[account].epoch, _heads[account].heartbeat) = (epoch, heartbeat);
    }

    function pokeEntry(address account, bytes32 policyId, uint256 counters, uint256 operations) external {
        _entries[account][policyId] = Entry(counters, operations);
    }

    function pokeCap(address account, address asset, uint256 word) external {
        _caps[account][asset].value = word;
    }

    function _words(bytes calldata header) private view returns (bytes memory) {
        (bytes32 policyId, bytes32 oldId, bytes32 hash) = abi.decode(
            header[:96],
            (bytes32, bytes32, bytes32)
        );
        address account = address(bytes20(header[96:]));
        Head storage head = _heads[account];
        Entry storage entry = _entries[account][policyId];
        return
            abi.encode(
                (uint256(head.caps) << 64) |
                    (uint256(head.heartbeat) << 24) |
                    (head.frozen ? 1 << 16 : 0) |
                    head.epoch,
                entry.counters,
                entry.operations,
                _caps[account][address(bytes20(header[116:]))].value,
                _approvals[account][hash].value,
                _entries[account][oldId].counters
            );
    }

    function _joined(bytes[] memory parts, uint256 count) private pure returns (bytes memory whole) {
        uint256 length = 0;
        for (uint256 i = 0; i < count; ++i) length += parts[i].length;
        whole = new bytes(length);
        uint256 at = 0;
        for (uint256 i = 0; i < count; ++i) {
            bytes memory part = parts[i];
            assembly ("memory-safe") {
                mcopy(add(add(whole, 0x20), at), add(part, 0x20), mload(part))
            }
            at += part.length;
        }
    }

    function _head(address account) internal view override returns (Head storage) {
        return _heads[account];
    }

    function _entry(address account, bytes32 policyId) internal view override returns (Entry storage) {
        return _entries[account][policyId];
    }

    function _cap(address account, address asset) internal view override returns (Word storage) {
        return _caps[account][asset];
    }

    function _approval(address account, bytes32 hash) internal view override returns (Word storage) {
        return _approvals[account][hash];
    }

    function _guardian(address account, address guardian) internal view override returns (Word storage) {
        return _guardians[account][guardian];
    }

    function _noteSlot(address account, bytes32 callHash) internal view override returns (bytes32) {
        return keccak256(abi.encode(_bundle, account, callHash));
    }

    function _noteAgent(address, bytes32, address) internal pure override {}

    function _domainOf(address account) internal pure override returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function _requireLane(uint256 nonce, address agent) internal pure override {
        address lane = address(uint160(nonce >> 64));
        if (lane != agent) revert LaneNotAllowed(lane, agent);
    }

    function _isOwnPart(address account, address target) internal view override returns (bool) {
        return target == account || target == ENTRY_POINT || target == DECISION_LOG;
    }
}
