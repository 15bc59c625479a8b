// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract PolicyIdOfTest is AccountTest {
    /// Whatever the values: it does not say that they could be granted.
    function test_policyIdOf_isHashStruct(Grant memory terms) public view {
        bytes32 typehash = keccak256(
            "Grant(address agent,address asset,bytes32 payees,uint256 perCall,uint256 perWindow,uint256 lifetime,uint256 bucket,uint256 gasBudget,uint256 feeCap,uint256 expiry,uint256 salt,Extras extras)Extras(bytes32 rules,uint256 functions,bytes32 approvers,uint256 ceiling,uint256 operations,uint256 operationsPerWindow,address paymaster,uint256 heartbeat)"
        );
        bytes32 extras = keccak256(
            abi.encode(
                keccak256(
                    "Extras(bytes32 rules,uint256 functions,bytes32 approvers,uint256 ceiling,uint256 operations,uint256 operationsPerWindow,address paymaster,uint256 heartbeat)"
                ),
                terms.extras
            )
        );
        bytes memory head = abi.encode(
            terms.agent,
            terms.asset,
            terms.payees,
            terms.perCall,
            terms.perWindow
        );
        bytes memory middle = abi.encode(terms.lifetime, terms.bucket, terms.gasBudget, terms.feeCap);
        bytes memory end = abi.encode(terms.expiry, terms.salt, extras);
        assertEq(account.policyIdOf(terms), keccak256(bytes.concat(typehash, head, middle, end)));
    }

    function test_policyIdOf_differsByEveryField(
        Grant memory terms,
        uint8 field,
        uint256 change
    ) public view {
        bytes32 before = account.policyIdOf(terms);
        field = uint8(bound(field, 0, 10));
        // Two of the fields are addresses.
        change = bound(change, 1, type(uint160).max);
        // terms[field] ^= change
        assembly ("memory-safe") {
            let at := add(terms, mul(field, 32))
            mstore(at, xor(mload(at), change))
        }
        assertTrue(account.policyIdOf(terms) != before, "same id");
    }
}
