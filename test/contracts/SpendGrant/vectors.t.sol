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

    function _uint(string memory at, string memory field) private view returns (uint256) {
        return vm.parseJsonUint(_json, string.concat(at, field));
    }

    function _address(string memory at, string memory field) private view returns (address) {
        return vm.parseJsonAddress(_json, string.concat(at, field));
    }

    function _hash(string memory at, string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, string.concat(at, field));
    }

    function _grant(string memory at, bool anyPayee) private view returns (AgentSpendGrant memory grant) {
        grant.account = _address(at, ".account");
        grant.agent = _address(at, ".agent");
        grant.agentKey = _address(at, ".agentKey");
        grant.token = _address(at, ".token");
        grant.perCall = uint160(_uint(at, ".perCall"));
        grant.perWindow = uint160(_uint(at, ".perWindow"));
        grant.window = uint48(_uint(at, ".window"));
        grant.total = uint160(_uint(at, ".total"));
        grant.validAfter = uint48(_uint(at, ".validAfter"));
        grant.validUntil = uint48(_uint(at, ".validUntil"));
        if (!anyPayee) grant.payees = vm.parseJsonAddressArray(_json, string.concat(at, ".payees"));
        grant.anyPayee = anyPayee;
        grant.epoch = uint64(_uint(at, ".epoch"));
        grant.salt = _uint(at, ".salt");
        grant.purpose = _hash(at, ".purposeHash");
        grant.policyHash = _hash(at, ".policyHash");
    }

    function test_vectors_hashes() public {
        // The contract at the address that the vectors were made for.
        address contract_ = _address(".domain", ".verifyingContract");
        vm.chainId(_uint(".domain", ".chainId"));
        vm.etch(contract_, address(grants).code);
        for (uint256 i = 0; i < 3; ++i) {
            string memory at = string.concat(".grants[", vm.toString(i), "]");
            AgentSpendGrant memory grant = _grant(at, i == 1);
            assertEq(structHashOf(grant), _hash(at, ".structHash"));
            (bool done, bytes memory answer) = contract_.staticcall(abi.encodeCall(grants.hashOf, (grant)));
            assertTrue(done, "no hash");
            assertEq(abi.decode(answer, (bytes32)), _hash(at, ".hash"));
        }
    }
}
