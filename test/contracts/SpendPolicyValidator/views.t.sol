// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

/// Views that only say what something else did are tested there. These say what they say alone.
contract ViewsTest is ValidatorTest {
    function test_decisionLog() public view {
        assertEq(module.decisionLog(), address(log));
    }

    function test_entryPoints() public view {
        address[3] memory all = module.entryPoints();
        assertEq(all[0], address(0x70));
        assertEq(all[1], address(entryPoint));
        assertEq(all[2], address(0x90));
    }

    function test_domainSeparator(address account_) public view {
        bytes32 expected = keccak256(
            abi.encodePacked(hex"1901", module.domainSeparator(account_), bytes32(0))
        );
        assertEq(expected, digest(module, account_, 0));
    }

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
