// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {
    Comparison,
    Condition,
    Extras,
    Grant,
    ISpendPolicy,
    Rule
} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {RuledTest} from "../base/RuledTest.sol";

/// Kind 4 takes `execute`, one call or a batch, encoded as ABI encoders do it, and not a byte more or less.
contract ValidateUserOpRuledFormTest is RuledTest {
    Grant private _terms;

    function setUp() public override {
        super.setUp();
        _terms = standardGrant();
        install(_terms);
    }

    function _one() private view returns (Execution[] memory calls) {
        calls = new Execution[](1);
        calls[0] = payment(3, 1);
    }

    function _sent(bytes memory callData) private {
        send(build(ruledDraft(_terms, callData), tailOf(_terms, list(payeePath(3)))));
    }

    function _refused(bytes memory callData) private {
        bytes memory reason = abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector);
        refused(build(ruledDraft(_terms, callData), tailOf(_terms, list(payeePath(3)))), reason);
    }

    function test_ruledForm_reverts_otherFunction() public {
        bytes memory callData = single(payment(3, 1));
        _sent(callData);
        callData[3] ^= 0x01;
        _refused(callData);
    }

    /// Delegate calls, static calls and calls that may fail: as one call, and as a batch.
    function test_ruledForm_reverts_otherModes() public {
        bytes memory inBatch = abi.encode(_one());
        bytes memory alone = abi.encodePacked(address(token), uint256(0), payment(3, 1).callData);
        _sent(abi.encodeCall(account.execute, (BATCH, inBatch)));
        bytes32[4] memory modes = [bytes32(bytes1(0xff)), bytes1(0xfe), bytes2(0x0001), bytes2(0x0101)];
        for (uint256 i = 0; i < 4; ++i) {
            _refused(abi.encodeCall(account.execute, (modes[i], inBatch)));
            _refused(abi.encodeCall(account.execute, (modes[i], alone)));
        }
    }

    function test_ruledForm_reverts_bytesCutOrAppended() public {
        bytes memory callData = batch(_one());
        _refused(bytes.concat(callData, bytes1(0)));
        _refused(bytes.concat(callData, bytes32(0)));
        _refused(bytes.concat(single(payment(3, 1)), bytes32(0)));
        assembly ("memory-safe") {
            mstore(callData, sub(mload(callData), 32))
        }
        _refused(callData);
    }

    /// An offset that points at another word, where execution would read; bytes behind the calls.
    function test_ruledForm_reverts_otherEncodings() public {
        bytes memory callData = batch(_one());
        _sent(callData);
        callData[67] = 0x60;
        _refused(callData);
        callData[67] = 0x20;
        _refused(callData);
        bytes memory content = bytes.concat(abi.encode(_one()), bytes32(0));
        _refused(abi.encodeCall(account.execute, (BATCH, content)));
    }

    /// A rule about the second word of the arguments: there if it is wholly there.
    function test_ruledForm_reverts_wordsNotWhollyThere() public {
        Rule memory rule = swapRule(0, 0);
        rule.conditions = new Condition[](1);
        rule.conditions[0] = Condition(1, Comparison.AtLeast, one(0));
        Extras memory extras;
        extras.rules = rootOf(rule);
        Grant memory terms = grantWith(extras);
        terms.salt = 2;
        install(terms);
        uint8[4] memory lengths = [32, 60, 63, 64];
        for (uint256 i = 0; i < 4; ++i) {
            bytes memory data = bytes.concat(router.swap.selector, new bytes(lengths[i]));
            Execution memory call = Execution(address(router), 0, data);
            if (lengths[i] == 64) _letThrough(terms, call, rule);
            else
                refused(
                    build(terms, call, byRule(rule)),
                    abi.encodeWithSelector(ISpendPolicy.ArgumentNotAllowed.selector, uint256(1), bytes32(0))
                );
        }
    }

    /// The router takes three words, so that the call itself fails; what counts is that it was let through.
    function _letThrough(Grant memory terms, Execution memory call, Rule memory rule) private {
        assertTrue(!send(bundle(build(terms, call, byRule(rule))))[0], "the router took two words");
    }

    /// The last address that there is, and the first number that is none.
    function test_ruledForm_paysTheLastAddress() public {
        payees[7] = address(type(uint160).max);
        Grant memory terms = standardGrant();
        install(terms);
        bytes memory data = abi.encodeCall(token.transfer, (payees[7], 1 ether));
        send(build(terms, tokenCall(data), payeePath(7)));
        assertEq(token.balanceOf(payees[7]), 1 ether);
        data = bytes.concat(token.transfer.selector, bytes32(uint256(1) << 160), bytes32(uint256(1 ether)));
        refused(
            build(terms, tokenCall(data), payeePath(7)),
            abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector)
        );
    }
}
