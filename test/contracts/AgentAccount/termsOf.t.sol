// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

/// `termsOf` is undone by `grantOf`.
contract TermsOfTest is AccountTest {
    function test_termsOf_isUndoneByGrantOf(
        uint16 mantissa,
        uint24 lifetime,
        uint8 exponent,
        uint24 gas,
        uint8 gasExponent
    ) public view {
        Grant memory terms = standardGrant();
        uint256 unit = 10 ** bound(exponent, 0, 63);
        uint256 gasUnit = 10 ** bound(gasExponent, 0, 63);
        (terms.perCall, terms.perWindow, terms.lifetime) = (
            (mantissa / 2) * unit,
            mantissa * unit,
            lifetime * unit
        );
        (terms.gasBudget, terms.feeCap) = (gas * gasUnit, (gas / 2) * gasUnit);
        Grant memory told = account.grantOf(
            terms.agent,
            terms.asset,
            terms.payees,
            account.termsOf(terms),
            terms.extras
        );
        assertEq(keccak256(abi.encode(told)), keccak256(abi.encode(terms)));
        assertEq(account.policyIdOf(told), account.policyIdOf(terms));
    }

    /// Six bits hold an exponent: ten times as much as the most is too much, though it is a whole number of larger units.
    function test_termsOf_reverts_exponentsOverSixtyThree() public {
        Grant memory terms = standardGrant();
        (terms.perCall, terms.perWindow, terms.lifetime) = (0, 65_535 * 10 ** 63, 0);
        (terms.gasBudget, terms.feeCap) = (16_777_215 * 10 ** 63, 0);
        account.termsOf(terms);
        terms.perWindow *= 10;
        _refused(terms);
        terms.perWindow /= 10;
        terms.gasBudget *= 10;
        _refused(terms);
    }

    function test_termsOf_endsOfTheFields() public view {
        Grant memory terms = standardGrant();
        (terms.bucket, terms.expiry, terms.salt) = (type(uint24).max, type(uint32).max, 0xfffff);
        uint256 low = uint192(account.termsOf(terms)) & ((1 << 76) - 1);
        assertEq(low, (1 << 76) - 1);
        (terms.gasBudget, terms.feeCap) = (type(uint24).max, type(uint24).max);
        low = uint192(account.termsOf(terms)) & ((1 << 130) - 1);
        assertEq(low, (1 << 124) - 1);
    }

    function _refused(Grant memory terms) private {
        vm.expectRevert(ISpendPolicy.TermsNotRepresentable.selector);
        account.termsOf(terms);
    }

    function test_termsOf_fieldsHighToLow() public view {
        Grant memory terms = standardGrant();
        (terms.perCall, terms.perWindow, terms.lifetime) = (1 * 1e9, 65_535 * 1e9, 3 * 1e9);
        (terms.gasBudget, terms.feeCap) = (16_777_215 * 1e12, 5 * 1e12);
        (terms.bucket, terms.expiry, terms.salt) = (300, 7, 8);
        uint192 expected =
            (uint192(9) << 186) |
                (uint192(1) << 170) |
                (uint192(65_535) << 154) |
                (uint192(3) << 130) |
                (uint192(12) << 124) |
                (uint192(16_777_215) << 100) |
                (uint192(5) << 76) |
                (uint192(300) << 52) |
                (uint192(7) << 20) |
                8;
        assertEq(bytes32(account.termsOf(terms)), bytes32(bytes24(expected)));
    }
}
