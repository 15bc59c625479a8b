// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {ERC4337Utils} from "@openzeppelin/contracts/account/utils/ERC4337Utils.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Approval, Extras, ISpendPolicy, Tail} from "./interfaces/ISpendPolicy.sol";
import {Calldata} from "./libraries/Calldata.sol";
import {Caps} from "./libraries/Caps.sol";
import {CompactSignature} from "./libraries/CompactSignature.sol";
import {Counters} from "./libraries/Counters.sol";
import {DecisionLogCall} from "./libraries/DecisionLogCall.sol";
import {Request, SpendPolicy} from "./libraries/SpendPolicy.sol";
import {Terms, TermsLibrary} from "./libraries/Terms.sol";

/// What an agent's operation has to pass: the half of a `PolicyBook` that every payment runs through, and written for its gas
/// (docs/decisions/0005-gas-of-the-hot-path.md).
abstract contract PolicyGate is ISpendPolicy {
    using Calldata for bytes;
    using Calldata for PackedUserOperation;
    using Caps for uint256;
    using Counters for uint256;
    using TransientSlot for *;

    /// What all policies of an account depend on, in one word that every operation reads.
    /// @param owner Who may grant, stop and take.
    /// @param epoch Number of times everything was revoked.
    /// @param frozen Whether all agents are stopped.
    /// @param heartbeat When the owner was last heard of, in unix seconds.
    /// @param caps Number of assets with a cap over all agents.
    struct Head {
        address owner;
        uint16 epoch;
        bool frozen;
        uint40 heartbeat;
        uint16 caps;
    }

    /// What is kept of one policy.
    /// @param counters Packed, see `Counters`.
    /// @param operations Likewise; only touched by policies that limit the number of operations.
    struct Entry {
        uint256 counters;
        uint256 operations;
    }

    /// A word of storage, so that functions can point to it.
    struct Word {
        uint256 value;
    }

    /// States of an approval.
    uint256 internal constant RECORDED = 1;
    uint256 internal constant USED = 2;

    address internal immutable DECISION_LOG;

    constructor(address decisionLog_) {
        // Asked once, here: without code at this address every commit would succeed, and log nothing.
        if (decisionLog_.code.length == 0) revert NoDecisionLog(decisionLog_);
        DECISION_LOG = decisionLog_;
    }

    // What a door has to say.

    function _head(address account) internal view virtual returns (Head storage);

    function _entry(address account, bytes32 policyId) internal view virtual returns (Entry storage);

    /// The cap over all agents for one asset (`Caps`).
    function _cap(address account, address asset) internal view virtual returns (Word storage);

    /// State of an approval, by its hashStruct.
    function _approval(address account, bytes32 hash) internal view virtual returns (Word storage);

    /// Whether somebody may freeze.
    function _guardian(address account, address guardian) internal view virtual returns (Word storage);

    /// Transient slot of the note that this callData is an agent's.
    function _noteSlot(address account, bytes32 callHash) internal view virtual returns (bytes32);

    /// Leaves a second note, beside that of `_note`: whose operation of kind 4 this callData is.
    function _noteAgent(address account, bytes32 callHash, address agent) internal virtual;

    /// EIP-712 domain separator.
    function _domainOf(address account) internal view virtual returns (bytes32);

    /// Reverts unless the operation's nonce is in a lane of the agent.
    function _requireLane(uint256 nonce, address agent) internal view virtual;

    /// Addresses an agent may neither call nor pay.
    function _isOwnPart(address account, address target) internal view virtual returns (bool);

    // An agent's operation.

    /// Reads, judges, meters and logs an agent's operation, and only then looks at the signatures.
    /// @return validationData As ERC-4337 packs it.
    function _validateAgent(
        address account,
        PackedUserOperation calldata userOp,
        bytes calldata signature,
        bytes32 userOpHash
    ) internal returns (uint256 validationData) {
        uint256 kind = SpendPolicy.kindOf(signature);
        if (kind == SpendPolicy.RULED) return _validateRuled(account, userOp, signature, userOpHash);
        bytes calldata callData = userOp.callDataOf();
        Request memory request = SpendPolicy.room()[0];
        SpendPolicy.read(request, userOp, signature, kind, callData);
        Head storage head = _head(account);
        (bool isFrozen, uint256 current, uint256 caps) = (head.frozen, head.epoch, head.caps);
        if (isFrozen) revert Frozen();

        bytes32 policyId = request.policyId;
        Entry storage entry = _entry(account, policyId);
        uint256 word = entry.counters;
        bool signed = true;
        if (kind == SpendPolicy.GRANT_INSIDE) {
            (bytes32 r, bytes32 vs) = SpendPolicy.ownerSignature(signature);
            signed = _isInstallSigned(account, policyId, r, vs);
            word = _install(account, policyId, word, request.terms, SpendPolicy.termsOf(signature));
        } else if (!word.isLive(current)) {
            revert NotGranted(policyId);
        }

        bool empty = kind == SpendPolicy.EMPTY;
        entry.counters = SpendPolicy.meter(word, request, empty);
        if (!empty) {
            if (caps != 0) _chargeCap(account, request);
            _requireForeign(account, request.payee);
            _note(account, callData.hash(), policyId);
        }
        return
            _finish(
                account,
                userOp,
                signature,
                SpendPolicy.operationHash(request, userOpHash),
                request,
                signed
            );
    }

    /// The same for kind 4.
    function _validateRuled(
        address account,
        PackedUserOperation calldata userOp,
        bytes calldata signature,
        bytes32 userOpHash
    ) private returns (uint256 validationData) {
        bytes calldata callData = userOp.callDataOf();
        Request memory request;
        (Tail memory tail, address[] memory touched) = SpendPolicy.readRuled(
            request,
            userOp,
            signature,
            callData,
            account
        );
        for (uint256 i = 0; i < touched.length; ++i) _requireForeign(account, touched[i]);
        Head storage head = _head(account);
        if (head.frozen) revert Frozen();

        Entry storage entry = _entry(account, request.policyId);
        (uint256 word, bool signed) = _ruledWord(
            account,
            request,
            SpendPolicy.termsOf(signature),
            tail,
            entry.counters
        );
        if (tail.extras.heartbeat != 0) {
            uint256 last = head.heartbeat;
            uint256 allowed = last == 0 ? 0 : last + tail.extras.heartbeat;
            if (request.validUntil > allowed) revert HeartbeatMissed(request.validUntil, allowed);
        }
        bool empty = touched.length == 0;
        entry.counters = SpendPolicy.meter(word, request, empty);
        if (!empty) {
            if (tail.extras.operations != 0 || tail.extras.operationsPerWindow != 0)
                entry.operations = entry.operations.countOperation(
                    request.validAfter,
                    request.validUntil,
                    request.terms.bucket,
                    tail.extras.operations,
                    tail.extras.operationsPerWindow
                );
            if (head.caps != 0) _chargeCap(account, request);
            _note(account, callData.hash(), request.policyId);
            _noteAgent(account, callData.hash(), request.terms.agent);
        }
        if (tail.approval.approver != address(0))
            signed = _useApproval(account, tail, request, callData.hash()) && signed;
        bytes32 structHash = SpendPolicy.ruledOperationHash(
            request,
            userOpHash,
            SpendPolicy.tailHashOf(signature)
        );
        return _finish(account, userOp, signature, structHash, request, signed);
    }

    /// Refuses to pay or to call what no agent may touch.
    function _requireForeign(address account, address target) private view {
        if (target == address(0)) revert PayeeNotAllowed(target);
        if (_isOwnPart(account, target)) revert PayeeNotAllowed(target);
    }

    /// The counters of a live policy, or of one that becomes live now.
    function _ruledWord(
        address account,
        Request memory request,
        bytes24 packed,
        Tail memory tail,
        uint256 stored
    ) private returns (uint256 word, bool signed) {
        if (tail.ownerSignature.length == 0) {
            if (!stored.isLive(_head(account).epoch)) revert NotGranted(request.policyId);
            return (stored, true);
        }
        if (tail.ownerSignature.length != 64) revert MalformedSignature(tail.ownerSignature.length);
        (bytes32 r, bytes32 vs) = abi.decode(tail.ownerSignature, (bytes32, bytes32));
        signed = _isInstallSigned(account, request.policyId, r, vs);
        SpendPolicy.requireExtras(tail.extras);
        word = _install(account, request.policyId, stored, request.terms, packed);
        _tellExtras(account, request.policyId, request.terms, tail.extras);
    }

    /// Lane, log and signatures: what every kind ends with.
    function _finish(
        address account,
        PackedUserOperation calldata userOp,
        bytes calldata signature,
        bytes32 structHash,
        Request memory request,
        bool signed
    ) private returns (uint256) {
        address agent = request.terms.agent; // never zero: `SpendPolicy.install` saw to that
        _requireLane(userOp.nonce, agent);
        DecisionLogCall.commit(DECISION_LOG, account, agent, request.size, request.root);
        (bytes32 r, bytes32 vs) = SpendPolicy.agentSignature(signature);
        if (_recover(account, structHash, r, vs) != agent) signed = false;
        return
            (request.validAfter << 208) |
            (request.validUntil << 160) |
            (signed ? ERC4337Utils.SIG_VALIDATION_SUCCESS : ERC4337Utils.SIG_VALIDATION_FAILED);
    }

    /// Whether the owner, a key, signed this grant for the current epoch.
    function _isInstallSigned(
        address account,
        bytes32 policyId,
        bytes32 r,
        bytes32 vs
    ) private view returns (bool) {
        Head storage head = _head(account);
        address signer = _recover(account, SpendPolicy.installHash(policyId, head.epoch), r, vs);
        // An account that nobody initialized has no owner: not even zero, which a bad signature recovers to.
        return signer == head.owner && signer != address(0);
    }

    /// The counters with the grant in force. The caller stores them.
    function _install(
        address account,
        bytes32 policyId,
        uint256 word,
        Terms memory terms,
        bytes24 packed
    ) internal returns (uint256) {
        if (_isOwnPart(account, terms.asset)) revert AssetNotAllowed(terms.asset);
        uint256 current = _head(account).epoch;
        word = SpendPolicy.install(word, terms, policyId, current);
        emit Granted(account, policyId, terms.agent, terms.asset, terms.payees, packed, current);
        return word;
    }

    /// Charges a payment to the cap over all agents, if its asset has one.
    function _chargeCap(address account, Request memory request) private {
        Word storage cap = _cap(account, request.terms.asset);
        uint256 word = cap.value;
        if (word.isSet())
            cap.value = word.charge(
                request.validAfter,
                request.validUntil,
                request.amount,
                request.terms.asset
            );
    }

    /// Uses up the approval that an operation brings.
    /// @return signed Whether the approver signed it, now or when it was recorded.
    function _useApproval(
        address account,
        Tail memory tail,
        Request memory request,
        bytes32 callHash
    ) private returns (bool signed) {
        Approval memory approval = tail.approval;
        address approver = approval.approver;
        bytes32 leaf = bytes32(uint256(uint160(approver)));
        if (MerkleProof.processProof(approval.path, leaf) != tail.extras.approvers)
            revert ApproverNotAllowed(approver);
        if (request.validUntil > approval.deadline)
            revert ApprovalExpired(request.validUntil, approval.deadline);
        bytes32 hash = SpendPolicy.approvalHash(
            approver,
            request.policyId,
            callHash,
            approval.nonce,
            approval.deadline
        );
        Word storage state = _approval(account, hash);
        if (state.value == USED) revert ApprovalUsed(hash);
        if (approval.signature.length == 0) {
            if (state.value != RECORDED) revert ApprovalNotRecorded(hash);
            signed = true;
        } else {
            if (approval.signature.length != 64) revert MalformedSignature(approval.signature.length);
            (bytes32 r, bytes32 vs) = abi.decode(approval.signature, (bytes32, bytes32));
            signed = _recover(account, hash, r, vs) == approver;
        }
        state.value = USED;
    }

    /// Leaves a note for execution, until the end of the transaction: this callData is an agent's.
    function _note(address account, bytes32 callHash, bytes32 policyId) private {
        bytes32 slot = _noteSlot(account, callHash);
        bytes32 other = slot.asBytes32().tload();
        if (other != 0) {
            if (other != policyId) revert AmbiguousCall(callHash);
        }
        slot.asBytes32().tstore(policyId);
    }

    /// Lets the owner's calls pass, and those of agents who were not stopped since validation.
    function _requireNotStopped(address account, bytes32 callHash) internal view {
        bytes32 policyId = _noteSlot(account, callHash).asBytes32().tload();
        if (policyId == 0) return;
        Head storage head = _head(account);
        if (head.frozen) revert Frozen();
        if (!_entry(account, policyId).counters.isLive(head.epoch)) revert NotGranted(policyId);
    }

    /// The second half of the event of a grant that is not plain.
    function _tellExtras(
        address account,
        bytes32 policyId,
        Terms memory terms,
        Extras memory extras
    ) internal {
        if (terms.extras != TermsLibrary.PLAIN) emit ExtrasGranted(account, policyId, extras);
    }

    /// Who signed an EIP-712 struct of an account; zero if nobody, or with a high s.
    function _recover(
        address account,
        bytes32 structHash,
        bytes32 r,
        bytes32 vs
    ) private view returns (address signer) {
        return CompactSignature.recover(_domainOf(account), structHash, r, vs);
    }
}
