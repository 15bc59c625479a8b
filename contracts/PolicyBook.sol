// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {PolicyGate} from "./PolicyGate.sol";
import {Extras, Grant, Status} from "./interfaces/ISpendPolicy.sol";
import {Caps} from "./libraries/Caps.sol";
import {Counters, Scale} from "./libraries/Counters.sol";
import {SpendPolicy} from "./libraries/SpendPolicy.sol";
import {Terms, TermsLibrary} from "./libraries/Terms.sol";

/// Where policies are kept and applied, for the two doors of the law: the account that has its own book, and the module that
/// keeps one for each account. A door says where its storage is, who speaks for an account, and in which lane an agent sends.
abstract contract PolicyBook is PolicyGate {
    using Caps for uint256;
    using Counters for uint256;
    using TermsLibrary for Terms;

    constructor(address decisionLog_) PolicyGate(decisionLog_) {}

    // What owners, and for some of it guardians, do. The doors check who calls.

    function _grant(address account, Grant calldata grant_) internal returns (bytes32 policyId) {
        Terms memory terms = TermsLibrary.from(grant_);
        policyId = terms.idOf();
        Entry storage entry = _entry(account, policyId);
        entry.counters = _grantTerms(account, policyId, entry.counters, terms, grant_.extras);
    }

    /// Grants what the owner signed, be it a key or a contract (ERC-1271). Anybody may bring it.
    function _grantBySignature(
        address account,
        address owner_,
        Grant calldata grant_,
        bytes calldata signature
    ) internal returns (bytes32 policyId) {
        bytes32 structHash = SpendPolicy.installHash(TermsLibrary.from(grant_).idOf(), _head(account).epoch);
        if (!_isSignedBy(owner_, _digest(account, structHash), signature)) revert WrongSigner(owner_);
        return _grant(account, grant_);
    }

    function _replace(
        address account,
        Grant calldata oldGrant,
        Grant calldata newGrant
    ) internal returns (bytes32 policyId) {
        Terms memory oldTerms = TermsLibrary.from(oldGrant);
        Terms memory newTerms = TermsLibrary.from(newGrant);
        if (oldTerms.asset != newTerms.asset) revert AssetDiffers(oldTerms.asset, newTerms.asset);
        bytes32 oldId = oldTerms.idOf();
        policyId = newTerms.idOf();
        Entry storage oldEntry = _entry(account, oldId);
        Entry storage newEntry = _entry(account, policyId);
        uint256 word = oldEntry.counters;
        if (word.statusOf() == Status.Revoked) revert AlreadyRevoked(oldId);
        if (word.statusOf() != Status.Granted) revert NotGranted(oldId);
        // A grant that was ever in force has counters of its own, which must not be lost either.
        if (newEntry.counters.statusOf() != Status.Unknown) revert AlreadyGranted(policyId);

        uint256 carried;
        {
            (, uint256 oldUnit, uint256 oldGasUnit) = oldTerms.pack();
            (, uint256 newUnit, uint256 newGasUnit) = newTerms.pack();
            Scale memory from = Scale(oldUnit, oldGasUnit, oldTerms.bucket);
            Scale memory to = Scale(newUnit, newGasUnit, newTerms.bucket);
            carried = word.carry(from, to, block.timestamp);
            if (oldTerms.agent != newTerms.agent) carried = carried.withoutSize();
            (from.unit, from.gasUnit, to.unit, to.gasUnit) = (1, 1, 1, 1);
            newEntry.operations = oldEntry.operations.carry(from, to, block.timestamp);
        }
        newEntry.counters = _grantTerms(account, policyId, carried, newTerms, newGrant.extras);
        oldEntry.counters = word.revoked();
        emit Revoked(account, oldId);
        emit Replaced(account, oldId, policyId);
    }

    function _revoke(address account, bytes32 policyId) internal {
        Entry storage entry = _entry(account, policyId);
        entry.counters = entry.counters.revoked();
        emit Revoked(account, policyId);
    }

    function _revokeAll(address account) internal {
        Head storage head = _head(account);
        uint16 current = head.epoch;
        if (current == type(uint16).max) revert EpochExhausted();
        head.epoch = current + 1;
        emit EpochChanged(account, current + 1);
    }

    function _freeze(address account) internal {
        _head(account).frozen = true;
        emit AccountFrozen(account, msg.sender);
    }

    function _unfreeze(address account) internal {
        _head(account).frozen = false;
        emit AccountUnfrozen(account);
    }

    function _beat(address account) internal {
        _head(account).heartbeat = uint40(block.timestamp);
        emit Heartbeat(account, block.timestamp);
    }

    function _setGuardian(address account, address guardian, bool active) internal {
        _guardian(account, guardian).value = active ? 1 : 0;
        emit GuardianSet(account, guardian, active);
    }

    function _setCap(address account, address asset, uint256 perWindow, uint256 bucket) internal {
        Head storage head = _head(account);
        Word storage cap = _cap(account, asset);
        uint256 word = cap.value;
        bool wasSet = word.isSet();
        bool isNowSet = perWindow != 0 || bucket != 0;
        cap.value = isNowSet ? word.changed(perWindow, bucket, block.timestamp) : 0;
        if (isNowSet && !wasSet) ++head.caps;
        if (!isNowSet && wasSet) --head.caps;
        emit CapSet(account, asset, perWindow, bucket);
    }

    /// Notes that an approver, a contract (ERC-1271) or the caller himself, approved. Anybody may bring a signature.
    function _recordApproval(
        address account,
        address approver,
        bytes32 policyId,
        bytes32 callHash,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) internal {
        bytes32 hash = SpendPolicy.approvalHash(approver, policyId, callHash, nonce, deadline);
        if (msg.sender != approver && !_isSignedBy(approver, _digest(account, hash), signature))
            revert WrongSigner(approver);
        Word storage state = _approval(account, hash);
        if (state.value == USED) revert ApprovalUsed(hash);
        state.value = RECORDED;
        emit ApprovalRecorded(account, approver, hash);
    }

    function _grantTerms(
        address account,
        bytes32 policyId,
        uint256 word,
        Terms memory terms,
        Extras calldata extras
    ) private returns (uint256 granted) {
        SpendPolicy.requireExtras(extras);
        (bytes24 packed, , ) = terms.pack();
        granted = _install(account, policyId, word, terms, packed);
        _tellExtras(account, policyId, terms, extras);
    }

    // Signatures.

    /// Whether a key (r, s, v or EIP-2098) or a contract (ERC-1271) signed. A key comes first: it may have code of its own
    /// (EIP-7702), and that code may be this one, which would ask itself for ever.
    function _isSignedBy(
        address signer,
        bytes32 hash,
        bytes calldata signature
    ) internal view returns (bool) {
        address recovered;
        if (signature.length == 64)
            (recovered, , ) = ECDSA.tryRecover(hash, bytes32(signature), bytes32(signature[32:]));
        else if (signature.length == 65) (recovered, , ) = ECDSA.tryRecoverCalldata(hash, signature);
        if (recovered != address(0) && recovered == signer) return true;
        return
            signer != address(this) &&
            signer.code.length != 0 &&
            SignatureChecker.isValidERC1271SignatureNow(signer, hash, signature);
    }

    function _digest(address account, bytes32 structHash) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(_domainOf(account), structHash);
    }
}
