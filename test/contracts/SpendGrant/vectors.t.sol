// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

/// The vectors of test/vectors/spendGrant.json, made by another library in another language.
contract VectorsTest is SpendGrantTest {
    string private _json;

    function setUp() public override {
        super.setUp();
        _json = vm.readFile("test/vectors/spendGrant.json");
    }

    function _uint(string memory key, string memory field) private view returns (uint256) {
        return vm.parseJsonUint(_json, string.concat(key, field));
    }

    function _address(string memory key, string memory field) private view returns (address) {
        return vm.parseJsonAddress(_json, string.concat(key, field));
    }

    function _hash(string memory key, string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, string.concat(key, field));
    }

    function _grant(string memory key, bool anyPayee) private view returns (AgentSpendGrant memory grant) {
        grant.account = _address(key, ".account");
        grant.agent = _address(key, ".agent");
        grant.agentKey = _address(key, ".agentKey");
        grant.token = _address(key, ".token");
        grant.perCall = uint160(_uint(key, ".perCall"));
        grant.perWindow = uint160(_uint(key, ".perWindow"));
        grant.window = uint48(_uint(key, ".window"));
        grant.total = uint160(_uint(key, ".total"));
        grant.validAfter = uint48(_uint(key, ".validAfter"));
        grant.validUntil = uint48(_uint(key, ".validUntil"));
        if (!anyPayee) grant.payees = vm.parseJsonAddressArray(_json, string.concat(key, ".payees"));
        grant.anyPayee = anyPayee;
        grant.epoch = uint64(_uint(key, ".epoch"));
        grant.salt = _uint(key, ".salt");
        grant.purpose = _hash(key, ".purposeHash");
        grant.policyHash = _hash(key, ".policyHash");
    }

    function test_vectors_hashes() public {
        // The contract at the address that the vectors were made for.
        address contract_ = _address(".domain", ".verifyingContract");
        vm.chainId(_uint(".domain", ".chainId"));
        vm.etch(contract_, address(grants).code);
        for (uint256 i = 0; i < 3; ++i) {
            string memory key = string.concat(".grants[", vm.toString(i), "]");
            AgentSpendGrant memory grant = _grant(key, i == 1);
            assertEq(structHashOf(grant), _hash(key, ".structHash"));
            (bool done, bytes memory answer) = contract_.staticcall(abi.encodeCall(grants.hashOf, (grant)));
            assertTrue(done, "no hash");
            assertEq(abi.decode(answer, (bytes32)), _hash(key, ".hash"));
        }
    }
}
