// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Extras, Grant, ISpendPolicy} from "../interfaces/ISpendPolicy.sol";

/// A grant as the law works with it: the words of its EIP-712 encoding, one after the other.
/// @param typehash `TermsLibrary.GRANT_TYPEHASH`.
/// @param extras hashStruct(Extras); `TermsLibrary.PLAIN` if they are all zero.
struct Terms {
    bytes32 typehash;
    address agent;
    address asset;
    bytes32 payees;
    uint256 perCall;
    uint256 perWindow;
    uint256 lifetime;
    uint256 bucket;
    uint256 gasBudget;
    uint256 feeCap;
    uint256 expiry;
    uint256 salt;
    bytes32 extras;
}

/// The numbers of a grant, packed into 24 bytes and back, and its id.
library TermsLibrary {
    bytes32 internal constant EXTRAS_TYPEHASH = keccak256(
        "Extras(bytes32 rules,uint256 functions,bytes32 approvers,uint256 ceiling,uint256 operations,"
        "uint256 operationsPerWindow,address paymaster,uint256 heartbeat)"
    );
    bytes32 internal constant GRANT_TYPEHASH = keccak256(
        "Grant(address agent,address asset,bytes32 payees,uint256 perCall,uint256 perWindow,uint256 lifetime,"
        "uint256 bucket,uint256 gasBudget,uint256 feeCap,uint256 expiry,uint256 salt,Extras extras)"
        "Extras(bytes32 rules,uint256 functions,bytes32 approvers,uint256 ceiling,uint256 operations,"
        "uint256 operationsPerWindow,address paymaster,uint256 heartbeat)"
    );

    /// hashStruct of extras that are all zero: keccak256(abi.encode(EXTRAS_TYPEHASH, 0, 0, 0, 0, 0, 0, 0, 0)).
    bytes32 internal constant PLAIN = 0x261548959895f62023a10ceb432775815b3b99c1c144bebb1761cae0c143e674;

    /// EIP-712 hashStruct(Grant): the policy's id.
    function idOf(Terms memory terms) internal pure returns (bytes32 policyId) {
        // policyId = keccak256(abi.encode(terms)): 13 words lie in memory as abi.encode would copy them one by one
        assembly ("memory-safe") {
            policyId := keccak256(terms, 0x1a0)
        }
    }

    /// EIP-712 hashStruct(Extras).
    function hash(Extras memory extras) internal pure returns (bytes32) {
        return keccak256(abi.encode(EXTRAS_TYPEHASH, extras));
    }

    /// The same grant, in the law's words.
    function from(Grant memory grant) internal pure returns (Terms memory terms) {
        terms.typehash = GRANT_TYPEHASH;
        terms.agent = grant.agent;
        terms.asset = grant.asset;
        terms.payees = grant.payees;
        terms.perCall = grant.perCall;
        terms.perWindow = grant.perWindow;
        terms.lifetime = grant.lifetime;
        terms.bucket = grant.bucket;
        terms.gasBudget = grant.gasBudget;
        terms.feeCap = grant.feeCap;
        terms.expiry = grant.expiry;
        terms.salt = grant.salt;
        terms.extras = hash(grant.extras);
    }

    /// The other way round.
    function toGrant(Terms memory terms, Extras memory extras) internal pure returns (Grant memory grant) {
        grant.agent = terms.agent;
        grant.asset = terms.asset;
        grant.payees = terms.payees;
        grant.perCall = terms.perCall;
        grant.perWindow = terms.perWindow;
        grant.lifetime = terms.lifetime;
        grant.bucket = terms.bucket;
        grant.gasBudget = terms.gasBudget;
        grant.feeCap = terms.feeCap;
        grant.expiry = terms.expiry;
        grant.salt = terms.salt;
        grant.extras = extras;
    }

    /// Fills in what 24 bytes say of a grant: all but agent, asset, payees and extras. Refuses exponents larger than need be:
    /// each grant has exactly one encoding, so its counters have one unit.
    /// @return unit Base units of one unit.
    /// @return gasUnit Wei of one gas unit.
    function unpack(
        Terms memory terms,
        bytes24 packed
    ) internal pure returns (uint256 unit, uint256 gasUnit) {
        uint256 bits = uint192(packed);
        uint256 perCall = uint16(bits >> 170);
        uint256 perWindow = uint16(bits >> 154);
        uint256 lifetime = uint24(bits >> 130);
        uint256 gasBudget = uint24(bits >> 100);
        uint256 feeCap = uint24(bits >> 76);
        // 10^63 times 24 bits is below 2^234.
        unchecked {
            unit = 10 ** (bits >> 186);
            gasUnit = 10 ** ((bits >> 124) & 0x3f);
            // The window's cap is the one that mostly needs the exponent: asked first, it spares the other questions.
            if (unit > 1 && perWindow * 10 <= type(uint16).max) {
                if (_fits(perCall * 10, perWindow * 10, lifetime * 10))
                    revert ISpendPolicy.TermsNotCanonical(packed);
            }
            if (gasUnit > 1 && gasBudget * 10 <= type(uint24).max) {
                if (_gasFits(gasBudget * 10, feeCap * 10)) revert ISpendPolicy.TermsNotCanonical(packed);
            }
            terms.perCall = perCall * unit;
            terms.perWindow = perWindow * unit;
            terms.lifetime = lifetime * unit;
            terms.bucket = uint24(bits >> 52);
            terms.gasBudget = gasBudget * gasUnit;
            terms.feeCap = feeCap * gasUnit;
            terms.expiry = uint32(bits >> 20);
            terms.salt = bits & 0xfffff;
        }
    }

    /// The 24 bytes of a grant, with the smallest exponents that fit; reverts if none does without rounding.
    /// @return packed The numbers, as `ISpendPolicy` ("Terms") lays them out.
    /// @return unit Base units of one unit.
    /// @return gasUnit Wei of one gas unit.
    function pack(Terms memory terms) internal pure returns (bytes24 packed, uint256 unit, uint256 gasUnit) {
        uint256 exponent = 0;
        uint256 gasExponent = 0;
        (unit, gasUnit) = (1, 1);
        // Any 256 bits fit after at most 73 steps, and 10^73 is below 2^256.
        unchecked {
            while (!_fits(terms.perCall / unit, terms.perWindow / unit, terms.lifetime / unit)) {
                (exponent, unit) = (exponent + 1, unit * 10);
            }
            while (!_gasFits(terms.gasBudget / gasUnit, terms.feeCap / gasUnit)) {
                (gasExponent, gasUnit) = (gasExponent + 1, gasUnit * 10);
            }
        }
        if (
            exponent > 63 ||
            gasExponent > 63 ||
            terms.perCall % unit != 0 ||
            terms.perWindow % unit != 0 ||
            terms.lifetime % unit != 0 ||
            terms.gasBudget % gasUnit != 0 ||
            terms.feeCap % gasUnit != 0 ||
            terms.bucket > type(uint24).max ||
            terms.expiry > type(uint32).max ||
            terms.salt > 0xfffff
        ) revert ISpendPolicy.TermsNotRepresentable();
        uint256 amounts =
            ((terms.perCall / unit) << 170) |
                ((terms.perWindow / unit) << 154) |
                ((terms.lifetime / unit) << 130);
        uint256 gas = ((terms.gasBudget / gasUnit) << 100) | ((terms.feeCap / gasUnit) << 76);
        uint256 rest = (terms.bucket << 52) | (terms.expiry << 20) | terms.salt;
        packed = bytes24(uint192((exponent << 186) | amounts | (gasExponent << 124) | gas | rest));
    }

    function _fits(uint256 perCall, uint256 perWindow, uint256 lifetime) private pure returns (bool) {
        return perCall <= type(uint16).max && perWindow <= type(uint16).max && lifetime <= type(uint24).max;
    }

    function _gasFits(uint256 gasBudget, uint256 feeCap) private pure returns (bool) {
        return gasBudget <= type(uint24).max && feeCap <= type(uint24).max;
    }
}
