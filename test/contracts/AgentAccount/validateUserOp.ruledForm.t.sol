// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
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
}
