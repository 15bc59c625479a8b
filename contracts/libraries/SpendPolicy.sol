// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IERC7579Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {Extras, ISpendPolicy, Status, Tail} from "../interfaces/ISpendPolicy.sol";
import {Calldata} from "./Calldata.sol";
import {Counters} from "./Counters.sol";
import {PayeeTree} from "./PayeeTree.sol";
import {Rules} from "./Rules.sol";
import {Terms, TermsLibrary} from "./Terms.sol";

/// What an agent's operation asks for, and under which grant. Everything in here was read from the operation, and is bound
/// by the agent's signature: directly, through userOpHash, or through the policy id.
/// @param typehash Of what the agent signs. (The first seven fields are the words of `Operation`, the first eight those of
/// `RuledOperation`, one after the other.)
/// @param userOpHash From the EntryPoint. It and `typehash` are set when the rest is known.
/// @param policyId The id of the grant it names.
/// @param validAfter The operation runs strictly after this second, unix time. The EntryPoint enforces it.
/// @param validUntil The operation runs at the latest in this second, at most 300 after `validAfter`, never zero.
/// @param size Number of leaves in the agent's decision tree, this operation's own decision included. Must grow.
/// @param root RFC 9162 root (sha256) of that tree.
/// @param tail keccak256 of the end of a signature of kind 4.
/// @param terms The grant it names.
/// @param unit Base units of one unit of the counters.
/// @param gasUnit Wei of one gas unit of the counters.
/// @param payee Who is paid. Zero for an empty operation, and for kind 4.
/// @param amount How much, in base units of the grant's asset. Zero for an empty operation.
/// @param fee Required prefund in wei. Zero if a paymaster pays.
struct Request {
    bytes32 typehash;
    bytes32 userOpHash;
    bytes32 policyId;
    uint256 validAfter;
    uint256 validUntil;
    uint256 size;
    bytes32 root;
    bytes32 tail;
    Terms terms;
    uint256 unit;
    uint256 gasUnit;
    address payee;
    uint256 amount;
    uint256 fee;
}

/// The law, once, for every contract that enforces it: read what an operation asks for, check that its policy is live, meter
/// it, and say what the agent must have signed. Storage, time and signatures are the caller's.
library SpendPolicy {
    using Calldata for bytes;
    using Calldata for PackedUserOperation;
    using Counters for uint256;
    using TermsLibrary for Terms;
    using TermsLibrary for Extras;

    /// Kinds of an agent's signature.
    uint256 internal constant STEADY = 1;
    uint256 internal constant GRANT_INSIDE = 2;
    uint256 internal constant EMPTY = 3;
    uint256 internal constant RULED = 4;

    /// Longest claim, and therefore shortest bucket, in seconds.
    uint256 internal constant MAX_CLAIM = 300;

    bytes32 internal constant INSTALL_TYPEHASH = keccak256(
        "Install(Grant grant,uint256 epoch)"
        "Extras(bytes32 rules,uint256 functions,bytes32 approvers,uint256 ceiling,uint256 operations,"
        "uint256 operationsPerWindow,address paymaster,uint256 heartbeat)"
        "Grant(address agent,address asset,bytes32 payees,uint256 perCall,uint256 perWindow,uint256 lifetime,"
        "uint256 bucket,uint256 gasBudget,uint256 feeCap,uint256 expiry,uint256 salt,Extras extras)"
    );
    bytes32 internal constant OPERATION_TYPEHASH = keccak256(
        "Operation(bytes32 userOpHash,bytes32 policyId,uint256 validAfter,uint256 validUntil,uint256 size,bytes32 root)"
    );
    bytes32 internal constant RULED_OPERATION_TYPEHASH = keccak256(
        "RuledOperation(bytes32 userOpHash,bytes32 policyId,uint256 validAfter,uint256 validUntil,uint256 size,bytes32 root,"
        "bytes32 tail)"
    );
    bytes32 internal constant APPROVAL_TYPEHASH = keccak256(
        "Approval(address approver,bytes32 policyId,bytes32 callHash,uint256 nonce,uint256 deadline)"
    );

    /// Offsets in an agent's signature.
    uint256 private constant AGENT_AT = 1;
    uint256 private constant SIGNED_AT = 21;
    uint256 private constant CLAIM_AT = 85;
    uint256 private constant ROOT_AT = 95;
    uint256 private constant TERMS_AT = 127;
    uint256 private constant TAIL_AT = 151;
    uint256 private constant EMPTY_LENGTH = TAIL_AT + 52;

    /// Offsets in the callData of a payment, and its two possible lengths: selector 4 | mode 32 | offset 32 | length 32, then
    /// target 20 | value 32 | data, padded to words.
    uint256 private constant TARGET_AT = 100;
    uint256 private constant VALUE_AT = 120;
    uint256 private constant DATA_AT = 152;
    uint256 private constant NATIVE_LENGTH = 52;
    uint256 private constant NATIVE_PADDED = TARGET_AT + 64;
    uint256 private constant ERC20_LENGTH = 120;
    uint256 private constant ERC20_PADDED = TARGET_AT + 128;
    /// The selector of `transfer` and 12 zeros.
    uint256 private constant TRANSFER = uint256(uint32(IERC20.transfer.selector)) << 96;

    /// Room for one request. Solidity would clear it all first, word by word; but `read` sets every word that is looked at.
    function room() internal pure returns (Request[] memory list) {
        // list = new Request[](1): length, place of the only element, then its 14 words and the 13 of its terms
        assembly ("memory-safe") {
            list := mload(0x40)
            let request := add(list, 0x40)
            let terms := add(request, 0x1c0)
            mstore(list, 1)
            mstore(add(list, 0x20), request)
            mstore(add(request, 0x100), terms)
            mstore(0x40, add(terms, 0x1a0))
        }
    }

    /// Kind of a signature; of an empty one, none that stands.
    function kindOf(bytes calldata signature) internal pure returns (uint256) {
        return uint256(signature.word(0)) >> 248;
    }

    /// The grant's numbers as they were sent.
    function termsOf(bytes calldata signature) internal pure returns (bytes24) {
        return bytes24(signature.word(TERMS_AT));
    }

    /// Reads an agent's operation of a plain grant into `request`. Every byte of the signature is used, so none can be changed
    /// without changing what the agent signed.
    /// @param request Not cleared before: this sets all but `typehash`, `userOpHash` and `tail`.
    /// @param signature `userOp.signature`, `kind` is its first byte, and `callData` is `userOp.callData`: the caller has them.
    function read(
        Request memory request,
        PackedUserOperation calldata userOp,
        bytes calldata signature,
        uint256 kind,
        bytes calldata callData
    ) internal pure {
        bytes calldata paymaster = userOp.paymasterOf();
        if (paymaster.length != 0) revert ISpendPolicy.PaymasterNotAllowed(address(bytes20(paymaster)));
        _readHead(request, signature);
        request.fee = requiredPrefund(userOp);
        Terms memory terms = request.terms;
        terms.extras = TermsLibrary.PLAIN;
        if (kind == EMPTY) {
            if (signature.length != EMPTY_LENGTH) revert ISpendPolicy.MalformedSignature(signature.length);
            if (callData.length != 0) revert ISpendPolicy.CallNotAllowed();
            (terms.asset, request.payee, request.amount) = (
                address(bytes20(signature.word(TAIL_AT))),
                address(0),
                0
            );
            terms.payees = signature.word(TAIL_AT + 20);
        } else {
            (address asset, address payee, uint256 amount) = readPayment(callData);
            (terms.asset, request.payee, request.amount) = (asset, payee, amount);
            terms.payees = PayeeTree.rootFrom(payee, _payeeProof(signature, kind));
        }
        request.policyId = terms.idOf();
    }

    /// Reads an agent's operation of kind 4, of any grant.
    /// @param account Whose operation it is.
    /// @return tail The end of its signature.
    /// @return touched Of each call who is paid, may pull, or is called.
    function readRuled(
        Request memory request,
        PackedUserOperation calldata userOp,
        bytes calldata signature,
        bytes calldata callData,
        address account
    ) internal pure returns (Tail memory tail, address[] memory touched) {
        _readHead(request, signature);
        tail = abi.decode(signature[TAIL_AT:], (Tail));
        Terms memory terms = request.terms;
        (terms.asset, terms.payees, terms.extras) = (tail.asset, tail.payees, tail.extras.hash());
        request.policyId = terms.idOf();
        bytes calldata paymasterAndData = userOp.paymasterOf();
        if (paymasterAndData.length == 0) {
            request.fee = requiredPrefund(userOp);
        } else {
            address paymaster = address(bytes20(paymasterAndData));
            if (paymaster != tail.extras.paymaster || paymaster == address(0))
                revert ISpendPolicy.PaymasterNotAllowed(paymaster);
        }
        if (callData.length != 0) (request.amount, touched) = Rules.read(tail, callData, account);
        else if (tail.proofs.length != 0) revert ISpendPolicy.CallCountNotAllowed(0);
        // An approval lifts the cap per call and nothing else; whether it is one, the caller sees to.
        if (tail.approval.approver != address(0)) {
            uint256 ceiling = tail.extras.ceiling;
            if (ceiling > terms.perWindow) ceiling = terms.perWindow;
            if (ceiling > terms.perCall) terms.perCall = ceiling;
        }
    }

    /// Charges an operation to the counters of its policy, or reverts with the limit it breaks. An operation without calls
    /// pays gas and grows the tree, but leaves the window alone.
    /// @param word Counters of `request.policyId`, live: so its bucket is at least `MAX_CLAIM`.
    /// @param empty Whether the operation has no calls.
    function meter(uint256 word, Request memory request, bool empty) internal pure returns (uint256) {
        Terms memory terms = request.terms;
        if (request.validUntil > terms.expiry) revert ISpendPolicy.Expired(request.validUntil, terms.expiry);
        if (request.fee > terms.feeCap) revert ISpendPolicy.OverFeeCap(request.fee, terms.feeCap);

        // Caps are whole multiples of their unit, so rounding a charge up never refuses what spends a cap exactly.
        unchecked {
            uint256 unit = request.gasUnit;
            word = word.growTree(request.size);
            word = word.chargeGas(request.fee.inUnits(unit), terms.gasBudget, unit);
            if (!empty) {
                if (request.amount > terms.perCall)
                    revert ISpendPolicy.OverPerCall(request.amount, terms.perCall);
                unit = request.unit;
                uint256 charge = request.amount.inUnits(unit);
                word = word.chargeLifetime(charge, terms.lifetime, unit);
                word = word.chargeWindow(
                    request.validAfter,
                    request.validUntil,
                    terms.bucket,
                    charge,
                    terms.perWindow,
                    unit
                );
            }
        }
        return word;
    }

    /// The counters with the grant in force in `epoch`, kept as they were, or an error if it can't be. Extras are the caller's
    /// to check (`requireExtras`).
    function install(
        uint256 word,
        Terms memory terms,
        bytes32 policyId,
        uint256 epoch
    ) internal pure returns (uint256) {
        if (terms.agent == address(0)) revert ISpendPolicy.ZeroAgent();
        if (terms.bucket < MAX_CLAIM) revert ISpendPolicy.BucketTooShort(terms.bucket, MAX_CLAIM);
        if (word.statusOf() == Status.Revoked) revert ISpendPolicy.AlreadyRevoked(policyId);
        if (word.isLive(epoch)) revert ISpendPolicy.AlreadyGranted(policyId);
        return word.granted(epoch);
    }

    /// Refuses extras that the counters can't hold, or that ask for something nobody knows.
    function requireExtras(Extras memory extras) internal pure {
        if (
            extras.functions > Rules.ALL_FUNCTIONS ||
            extras.operations > type(uint24).max ||
            extras.operationsPerWindow > type(uint16).max ||
            extras.heartbeat > type(uint32).max
        ) revert ISpendPolicy.TermsNotRepresentable();
    }

    /// Reads a call that a policy can allow, or reverts: default deny.
    /// @return asset Token, or zero for the native coin.
    /// @return payee Who would be paid.
    /// @return amount Base units.
    function readPayment(
        bytes calldata callData
    ) internal pure returns (address asset, address payee, uint256 amount) {
        // All bits that differ from what they have to be: none may.
        uint256 wrong =
            uint256(callData.word(0) ^ bytes32(IERC7579Execution.execute.selector)) |
                uint256(callData.word(4)) |
                (uint256(callData.word(36)) ^ 64);
        uint256 length = uint256(callData.word(68));
        address target = address(bytes20(callData.word(TARGET_AT)));
        uint256 value = uint256(callData.word(VALUE_AT));
        uint256 data = uint256(callData.word(DATA_AT));

        if (callData.length == NATIVE_PADDED) {
            wrong |= (length ^ NATIVE_LENGTH) | (data >> 160);
            (payee, amount) = (target, value);
        } else {
            // Before the payee: selector and 12 zeros. At the end: 8 zeros.
            wrong |=
                (length ^ ERC20_LENGTH) |
                (callData.length ^ ERC20_PADDED) |
                value |
                ((data >> 128) ^ TRANSFER) |
                (uint256(callData.word(ERC20_PADDED - 8)) >> 192);
            if (target == address(0)) wrong = 1;
            (asset, payee) = (target, address(bytes20(callData.word(DATA_AT + 16))));
            amount = uint256(callData.word(DATA_AT + 36));
        }
        if (wrong != 0) revert ISpendPolicy.CallNotAllowed();
    }

    /// What the EntryPoint takes for an operation at most, in wei: with no paymaster, all gas limits at the highest price.
    function requiredPrefund(PackedUserOperation calldata userOp) internal pure returns (uint256) {
        uint256 limits = uint256(userOp.accountGasLimits);
        // The EntryPoint has refused limits and prices of more than 120 bits already (AA94).
        unchecked {
            uint256 gas = (limits >> 128) + uint128(limits) + userOp.preVerificationGas;
            return gas * uint128(uint256(userOp.gasFees));
        }
    }

    /// The agent's 64 bytes of signature (EIP-2098).
    function agentSignature(bytes calldata signature) internal pure returns (bytes32 r, bytes32 vs) {
        return (signature.word(SIGNED_AT), signature.word(SIGNED_AT + 32));
    }

    /// The owner's 64 bytes of signature (EIP-2098) at the end of a signature of kind 2.
    function ownerSignature(bytes calldata signature) internal pure returns (bytes32 r, bytes32 vs) {
        return (signature.word(signature.length - 64), signature.word(signature.length - 32));
    }

    /// EIP-712 hashStruct(Install).
    function installHash(bytes32 policyId, uint256 epoch) internal pure returns (bytes32) {
        return keccak256(abi.encode(INSTALL_TYPEHASH, policyId, epoch));
    }

    /// EIP-712 hashStruct(Operation).
    function operationHash(
        Request memory request,
        bytes32 userOpHash
    ) internal pure returns (bytes32 structHash) {
        (request.typehash, request.userOpHash) = (OPERATION_TYPEHASH, userOpHash);
        // structHash = keccak256(abi.encode(request.typehash, request.userOpHash, request.policyId, request.validAfter,
        // request.validUntil, request.size, request.root)): they lie in memory as abi.encode would copy them
        assembly ("memory-safe") {
            structHash := keccak256(request, 0xe0)
        }
    }

    /// EIP-712 hashStruct(RuledOperation): the same, and the hash of everything the signature ends with.
    function ruledOperationHash(
        Request memory request,
        bytes32 userOpHash,
        bytes32 tail
    ) internal pure returns (bytes32 structHash) {
        (request.typehash, request.userOpHash) = (RULED_OPERATION_TYPEHASH, userOpHash);
        request.tail = tail;
        // structHash = keccak256(abi.encode(the same words, request.tail))
        assembly ("memory-safe") {
            structHash := keccak256(request, 0x100)
        }
    }

    /// keccak256 of the end of a signature of kind 4.
    function tailHashOf(bytes calldata signature) internal pure returns (bytes32) {
        return Calldata.hash(signature[TAIL_AT:]);
    }

    /// EIP-712 hashStruct(Approval).
    function approvalHash(
        address approver,
        bytes32 policyId,
        bytes32 callHash,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(APPROVAL_TYPEHASH, approver, policyId, callHash, nonce, deadline));
    }

    /// What all kinds begin with.
    function _readHead(Request memory request, bytes calldata signature) private pure {
        if (signature.length < TAIL_AT) revert ISpendPolicy.MalformedSignature(signature.length);
        _readClaim(request, signature);
        Terms memory terms = request.terms;
        terms.typehash = TermsLibrary.GRANT_TYPEHASH;
        terms.agent = address(bytes20(signature.word(AGENT_AT)));
        (request.unit, request.gasUnit) = terms.unpack(termsOf(signature));
    }

    /// validAfter 4 | span 2 | size 4 | root 32.
    function _readClaim(Request memory request, bytes calldata signature) private pure {
        uint256 bits = uint256(signature.word(CLAIM_AT));
        uint256 start = bits >> 224;
        uint256 span = uint16(bits >> 208);
        if (span > MAX_CLAIM) revert ISpendPolicy.ClaimTooLong(span, MAX_CLAIM);
        // 32 bits and 16 bits.
        unchecked {
            uint256 end = start + span;
            if (end == 0) revert ISpendPolicy.ClaimWithoutEnd();
            (request.validAfter, request.validUntil) = (start, end);
        }
        request.size = uint32(bits >> 176);
        request.root = signature.word(ROOT_AT);
    }

    /// The tail of kinds 1 and 2, without the owner's signature.
    function _payeeProof(bytes calldata signature, uint256 kind) private pure returns (bytes calldata proof) {
        unchecked {
            uint256 inside = kind - STEADY; // 0, or 1 with an owner's signature behind the proof
            uint256 length = signature.length - TAIL_AT - (inside << 6);
            // No other kind, no more than there is (a length below zero is a huge one), and whole words.
            if ((inside >> 1) | (length >> 32) | (length & 31) != 0)
                revert ISpendPolicy.MalformedSignature(signature.length);
            // proof = signature[TAIL_AT:TAIL_AT + length], checked right above
            assembly ("memory-safe") {
                proof.offset := add(signature.offset, TAIL_AT)
                proof.length := length
            }
        }
    }
}
