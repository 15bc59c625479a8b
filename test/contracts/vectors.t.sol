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

    function _uint(string memory key, string memory field) private view returns (uint256) {
        return vm.parseJsonUint(_json, string.concat(key, field));
    }

    function _hash(string memory key, string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, string.concat(key, field));
    }

    function _grant(string memory key) private view returns (Grant memory grant) {
        grant.agent = vm.parseJsonAddress(_json, string.concat(key, ".agent"));
        grant.asset = vm.parseJsonAddress(_json, string.concat(key, ".asset"));
        grant.payees = _hash(key, ".payees");
        grant.perCall = _uint(key, ".perCall");
        grant.perWindow = _uint(key, ".perWindow");
        grant.lifetime = _uint(key, ".lifetime");
        grant.bucket = _uint(key, ".bucket");
        grant.gasBudget = _uint(key, ".gasBudget");
        grant.feeCap = _uint(key, ".feeCap");
        grant.expiry = _uint(key, ".expiry");
        grant.salt = _uint(key, ".salt");
        grant.extras = _extras(string.concat(key, ".extras"));
    }

    function _extras(string memory key) private view returns (Extras memory extras) {
        extras.rules = _hash(key, ".rules");
        extras.functions = _uint(key, ".functions");
        extras.approvers = _hash(key, ".approvers");
        extras.ceiling = _uint(key, ".ceiling");
        extras.operations = _uint(key, ".operations");
        extras.operationsPerWindow = _uint(key, ".operationsPerWindow");
        extras.paymaster = vm.parseJsonAddress(_json, string.concat(key, ".paymaster"));
        extras.heartbeat = _uint(key, ".heartbeat");
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
            string memory key = string.concat(".grants[", vm.toString(i), "]");
            Grant memory terms = _grant(string.concat(key, ".grant"));
            bytes32 policyId = terms.from().idOf();
            assertEq(policyId, _hash(key, ".policyId"));
            bytes memory packed = vm.parseJsonBytes(_json, string.concat(key, ".terms"));
            (bytes24 own, , ) = terms.from().pack();
            assertEq(bytes32(own), bytes32(packed));
            assertEq(
                _digest(SpendPolicy.installHash(policyId, _uint(key, ".install.epoch"))),
                _hash(key, ".install.digest")
            );
            Request memory request;
            request.policyId = policyId;
            request.validAfter = _uint(key, ".operation.validAfter");
            request.validUntil = _uint(key, ".operation.validUntil");
            request.size = _uint(key, ".operation.size");
            request.root = _hash(key, ".operation.root");
            bytes32 structHash = SpendPolicy.operationHash(request, _hash(key, ".operation.userOpHash"));
            assertEq(_digest(structHash), _hash(key, ".operation.digest"));
        }
    }

    function test_vectors_ruled() public view {
        string memory key = ".grants[2]";
        Request memory request;
        request.policyId = _hash(key, ".policyId");
        request.validAfter = _uint(key, ".operation.validAfter");
        request.validUntil = _uint(key, ".operation.validUntil");
        request.size = _uint(key, ".operation.size");
        request.root = _hash(key, ".operation.root");
        bytes32 structHash = SpendPolicy.ruledOperationHash(
            request,
            _hash(key, ".operation.userOpHash"),
            _hash(key, ".ruledOperation.tail")
        );
        assertEq(_digest(structHash), _hash(key, ".ruledOperation.digest"));
        structHash = SpendPolicy.approvalHash(
            vm.parseJsonAddress(_json, string.concat(key, ".approval.approver")),
            _hash(key, ".approval.policyId"),
            _hash(key, ".approval.callHash"),
            _uint(key, ".approval.nonce"),
            _uint(key, ".approval.deadline")
        );
        assertEq(_digest(structHash), _hash(key, ".approval.digest"));
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
            string memory key = string.concat(".payees[", vm.toString(i), "]");
            address[] memory list = vm.parseJsonAddressArray(_json, string.concat(key, ".payees"));
            bytes32[] memory siblings = vm.parseJsonBytes32Array(_json, string.concat(key, ".proofOfLast"));
            bytes memory proof = abi.encodePacked(siblings);
            assertEq(tree.rootFrom(list[list.length - 1], proof), _hash(key, ".root"));
            assertEq(Payees.rootOf(list), _hash(key, ".root"));
        }
    }
}
