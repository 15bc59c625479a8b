// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

/// `grantOf` is undone by `termsOf`, and there is one encoding only.
contract GrantOfTest is AccountTest {
    /// 24 bytes at random, with the smallest exponents or with others.
    function test_grantOf_acceptsOneEncodingOnly(uint192 bits) public view {
        bytes24 terms = bytes24(bits);
        try account.grantOf(agent, address(token), 0, terms, noExtras()) returns (Grant memory told) {
            assertEq(bytes32(account.termsOf(told)), bytes32(terms));
        } catch (bytes memory reason) {
            assertEq(
                keccak256(reason),
                keccak256(abi.encodeWithSelector(ISpendPolicy.TermsNotCanonical.selector, terms))
            );
        }
    }

    function test_grantOf_acceptsZeroExponents(uint192 bits) public view {
        bytes24 terms = bytes24(bits & ~(uint192(0x3f) << 186) & ~(uint192(0x3f) << 124));
        assertEq(
            bytes32(account.termsOf(account.grantOf(agent, address(token), 0, terms, noExtras()))),
            bytes32(terms)
        );
    }

    /// Exponents of one: too large as long as ten times as much fits everywhere, and not a step further.
    function test_grantOf_reverts_whereTenTimesAsMuchFits() public {
        _refused(_terms(6_553, 6_553, 1_677_721, 1_677_722, 0));
        _refused(_terms(0, 0, 0, 1_677_722, 0));
        _refused(_terms(6_554, 0, 0, 1_677_721, 1_677_721));
        _refused(_terms(6_554, 0, 0, 0, 0));
        _accepted(_terms(6_554, 6_553, 1_677_721, 1_677_722, 1_677_721));
        _accepted(_terms(6_553, 6_554, 1_677_721, 1_677_721, 1_677_722));
        _accepted(_terms(6_553, 6_553, 1_677_722, 1_677_722, 1_677_722));
    }

    function _terms(
        uint192 perCall,
        uint192 perWindow,
        uint192 lifetime,
        uint192 budget,
        uint192 fee
    ) private pure returns (bytes24) {
        uint192 amounts = (1 << 186) | (perCall << 170) | (perWindow << 154) | (lifetime << 130);
        return bytes24(amounts | (1 << 124) | (budget << 100) | (fee << 76));
    }

    function _accepted(bytes24 terms) private view {
        Grant memory told = account.grantOf(agent, address(token), 0, terms, noExtras());
        assertEq(bytes32(account.termsOf(told)), bytes32(terms));
    }

    function _refused(bytes24 terms) private {
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.TermsNotCanonical.selector, terms));
        account.grantOf(agent, address(token), 0, terms, noExtras());
    }

    function test_grantOf_passesOnWhatIsNotInTerms(
        address anyAgent,
        address asset,
        bytes32 anyPayees
    ) public view {
        Grant memory expected = standardGrant();
        bytes24 terms = account.termsOf(expected);
        (expected.agent, expected.asset, expected.payees) = (anyAgent, asset, anyPayees);
        Grant memory told = account.grantOf(anyAgent, asset, anyPayees, terms, noExtras());
        assertEq(keccak256(abi.encode(told)), keccak256(abi.encode(expected)));
    }
}
