// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Extras, Grant, Rule} from "../../contracts/interfaces/ISpendPolicy.sol";
import {PayeeTree} from "../../contracts/libraries/PayeeTree.sol";
import {Rules} from "../../contracts/libraries/Rules.sol";
import {Request, SpendPolicy} from "../../contracts/libraries/SpendPolicy.sol";
import {TermsLibrary} from "../../contracts/libraries/Terms.sol";
import {Payees} from "./base/Payees.sol";
import {Test} from "./base/Test.sol";

contract PayeeTreeHarness {
    function rootFrom(address payee, bytes calldata proof) external pure returns (bytes32) {
        return PayeeTree.rootFrom(payee, proof);
    }
}

/// The vectors of test/vectors/grant.json, made by another library in another language.
contract VectorsTest is Test {
    using TermsLibrary for *;

    string private _json;
    PayeeTreeHarness private immutable tree = new PayeeTreeHarness();

    function setUp() public {
        _json = vm.readFile("test/vectors/grant.json");
    }

    function _uint(string memory at, string memory field) private view returns (uint256) {
        return vm.parseJsonUint(_json, string.concat(at, field));
    }

    function _hash(string memory at, string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, string.concat(at, field));
    }

    function _grant(string memory at) private view returns (Grant memory grant) {
        grant.agent = vm.parseJsonAddress(_json, string.concat(at, ".agent"));
        grant.asset = vm.parseJsonAddress(_json, string.concat(at, ".asset"));
        grant.payees = _hash(at, ".payees");
        grant.perCall = _uint(at, ".perCall");
        grant.perWindow = _uint(at, ".perWindow");
        grant.lifetime = _uint(at, ".lifetime");
        grant.bucket = _uint(at, ".bucket");
        grant.gasBudget = _uint(at, ".gasBudget");
        grant.feeCap = _uint(at, ".feeCap");
        grant.expiry = _uint(at, ".expiry");
        grant.salt = _uint(at, ".salt");
        grant.extras = _extras(string.concat(at, ".extras"));
    }

    function _extras(string memory at) private view returns (Extras memory extras) {
        extras.rules = _hash(at, ".rules");
        extras.functions = _uint(at, ".functions");
        extras.approvers = _hash(at, ".approvers");
        extras.ceiling = _uint(at, ".ceiling");
        extras.operations = _uint(at, ".operations");
        extras.operationsPerWindow = _uint(at, ".operationsPerWindow");
        extras.paymaster = vm.parseJsonAddress(_json, string.concat(at, ".paymaster"));
        extras.heartbeat = _uint(at, ".heartbeat");
    }

    function _digest(bytes32 structHash) private view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256(bytes("Bursar")),
                keccak256(bytes("1")),
                _uint("", ".domain.chainId"),
                vm.parseJsonAddress(_json, ".domain.verifyingContract")
            )
        );
        return MessageHashUtils.toTypedDataHash(separator, structHash);
    }

    function test_vectors_grants() public view {
        for (uint256 i = 0; i < 3; ++i) {
            string memory at = string.concat(".grants[", vm.toString(i), "]");
            Grant memory terms = _grant(string.concat(at, ".grant"));
            bytes32 policyId = terms.from().idOf();
            assertEq(policyId, _hash(at, ".policyId"));
            bytes memory packed = vm.parseJsonBytes(_json, string.concat(at, ".terms"));
            (bytes24 own, , ) = terms.from().pack();
            assertEq(bytes32(own), bytes32(packed));
            assertEq(
                _digest(SpendPolicy.installHash(policyId, _uint(at, ".install.epoch"))),
                _hash(at, ".install.digest")
            );
            Request memory request;
            request.policyId = policyId;
            request.validAfter = _uint(at, ".operation.validAfter");
            request.validUntil = _uint(at, ".operation.validUntil");
            request.size = _uint(at, ".operation.size");
            request.root = _hash(at, ".operation.root");
            bytes32 structHash = SpendPolicy.operationHash(request, _hash(at, ".operation.userOpHash"));
            assertEq(_digest(structHash), _hash(at, ".operation.digest"));
        }
    }

    function test_vectors_ruled() public view {
        string memory at = ".grants[2]";
        Request memory request;
        request.policyId = _hash(at, ".policyId");
        request.validAfter = _uint(at, ".operation.validAfter");
        request.validUntil = _uint(at, ".operation.validUntil");
        request.size = _uint(at, ".operation.size");
        request.root = _hash(at, ".operation.root");
        bytes32 structHash = SpendPolicy.ruledOperationHash(
            request,
            _hash(at, ".operation.userOpHash"),
            _hash(at, ".ruledOperation.tail")
        );
        assertEq(_digest(structHash), _hash(at, ".ruledOperation.digest"));
        structHash = SpendPolicy.approvalHash(
            vm.parseJsonAddress(_json, string.concat(at, ".approval.approver")),
            _hash(at, ".approval.policyId"),
            _hash(at, ".approval.callHash"),
            _uint(at, ".approval.nonce"),
            _uint(at, ".approval.deadline")
        );
        assertEq(_digest(structHash), _hash(at, ".approval.digest"));
    }

    function test_vectors_rule() public view {
        bytes memory encoded = vm.parseJsonBytes(_json, ".rule.encoded");
        Rule memory rule = abi.decode(encoded, (Rule));
        assertEq(keccak256(abi.encode(rule)), keccak256(encoded));
        assertEq(rule.target, vm.parseJsonAddress(_json, ".rule.target"));
        assertEq(Rules.leafOf(encoded), _hash(".rule", ".leaf"));
    }

    function test_vectors_payees() public view {
        for (uint256 i = 0; i < 4; ++i) {
            string memory at = string.concat(".payees[", vm.toString(i), "]");
            address[] memory list = vm.parseJsonAddressArray(_json, string.concat(at, ".payees"));
            bytes32[] memory siblings = vm.parseJsonBytes32Array(_json, string.concat(at, ".proofOfLast"));
            bytes memory proof = abi.encodePacked(siblings);
            assertEq(tree.rootFrom(list[list.length - 1], proof), _hash(at, ".root"));
            assertEq(Payees.rootOf(list), _hash(at, ".root"));
        }
    }
}
