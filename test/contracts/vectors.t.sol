// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Grant} from "../../contracts/interfaces/ISpendPolicy.sol";
import {PayeeTree} from "../../contracts/libraries/PayeeTree.sol";
import {Request, SpendPolicy} from "../../contracts/libraries/SpendPolicy.sol";
import {Payees} from "./base/Payees.sol";
import {Test} from "./base/Test.sol";

contract PayeeTreeHarness {
    function rootFrom(address payee, bytes calldata proof) external pure returns (bytes32) {
        return PayeeTree.rootFrom(payee, proof);
    }
}

/// The vectors of test/vectors/grant.json, made by another library in another language.
contract VectorsTest is Test {
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

    function _grant(string memory at) private view returns (Grant memory) {
        return
            Grant({
                agent: vm.parseJsonAddress(_json, string.concat(at, ".agent")),
                asset: vm.parseJsonAddress(_json, string.concat(at, ".asset")),
                payees: _hash(at, ".payees"),
                perCall: _uint(at, ".perCall"),
                perWindow: _uint(at, ".perWindow"),
                lifetime: _uint(at, ".lifetime"),
                bucket: _uint(at, ".bucket"),
                gasBudget: _uint(at, ".gasBudget"),
                feeCap: _uint(at, ".feeCap"),
                expiry: _uint(at, ".expiry"),
                salt: _uint(at, ".salt")
            });
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
        for (uint256 i = 0; i < 2; ++i) {
            string memory at = string.concat(".grants[", vm.toString(i), "]");
            Grant memory terms = _grant(string.concat(at, ".grant"));
            bytes32 policyId = SpendPolicy.policyIdOf(terms);
            assertEq(policyId, _hash(at, ".policyId"));
            bytes memory packed = vm.parseJsonBytes(_json, string.concat(at, ".terms"));
            assertEq(bytes32(SpendPolicy.packTerms(terms)), bytes32(packed));
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
