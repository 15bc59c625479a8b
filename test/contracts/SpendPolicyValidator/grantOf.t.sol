// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

/// With policyIdOf and termsOf, which it has to agree with.
contract GrantOfTest is ValidatorTest {
    /// A grant has one id and one encoding, whichever door it goes through.
    function test_policyIdOf_termsOf_grantOf(uint32 expiry, uint24 operations) public {
        Grant memory terms = standardGrant();
        (terms.expiry, terms.extras.operations) = (expiry, operations);
        IAgentAccount ours = newImplementation(address(entryPoint), address(log));
        assertEq(module.policyIdOf(terms), ours.policyIdOf(terms));
        assertEq(module.termsOf(terms), ours.termsOf(terms));
        Grant memory back = module.grantOf(
            terms.agent,
            terms.asset,
            terms.payees,
            module.termsOf(terms),
            terms.extras
        );
        assertEq(keccak256(abi.encode(back)), keccak256(abi.encode(terms)));
    }
}
