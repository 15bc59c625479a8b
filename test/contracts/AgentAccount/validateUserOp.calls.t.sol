// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";
import {Payees} from "../base/Payees.sol";

/// What an agent may call: default deny.
contract ValidateUserOpCallsTest is AccountTest {
    Grant private _terms;

    function setUp() public override {
        super.setUp();
        _terms = standardGrant();
        install(_terms);
    }

    function _denied(bytes memory callData) private {
        Draft memory d = draft(_terms);
        d.callData = callData;
        refused(d, abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector));
    }

    function _transfer() private view returns (bytes memory) {
        return abi.encodeCall(token.transfer, (payees[3], 1 ether));
    }

    function test_validateUserOp_reverts_otherFunctions() public {
        _denied(single(address(token), 0, abi.encodeCall(token.approve, (payees[3], 1))));
        _denied(
            single(address(token), 0, abi.encodeCall(token.transferFrom, (address(account), payees[3], 1)))
        );
        _denied(single(address(token), 0, abi.encodeCall(token.mint, (payees[3], 1))));
        _denied(abi.encodeCall(account.withdraw, (address(token), payable(payees[3]), 1)));
        _denied(abi.encodeCall(account.unfreeze, ()));
        _denied(hex"8dd7712f");
        _denied(hex"00");
    }

    function test_validateUserOp_reverts_valueBesideTransfer() public {
        _denied(single(address(token), 1, _transfer()));
    }

    function test_validateUserOp_reverts_dataBesideNativeTransfer() public {
        _denied(single(payees[3], 1, hex"00"));
        _denied(single(payees[3], 1, hex"a9059cbb"));
    }

    function test_validateUserOp_reverts_transferAtZero() public {
        _denied(single(address(0), 0, _transfer()));
    }

    function test_validateUserOp_reverts_otherModes(bytes32 mode) public {
        vm.assume(mode != 0);
        _denied(
            abi.encodeCall(account.execute, (mode, abi.encodePacked(address(token), uint256(0), _transfer())))
        );
        Execution[] memory batch = new Execution[](1);
        batch[0] = Execution(address(token), 0, _transfer());
        _denied(abi.encodeCall(account.execute, (BATCH, abi.encode(batch))));
    }

    /// Only one encoding passes: every byte that is not mode, asset, payee, amount or selector is fixed.
    function test_validateUserOp_reverts_looseEncoding() public {
        bytes memory strict = single(address(token), 0, _transfer());
        _denied(bytes.concat(strict, hex"00"));
        _denied(bytes.concat(strict, bytes32(0)));
        for (uint256 i = 0; i < strict.length; ++i) {
            bool free = (i >= 100 && i < 120) || (i >= 168 && i < 220);
            if (free) continue;
            bytes memory loose = bytes.concat(strict);
            loose[i] = bytes1(uint8(loose[i]) ^ 1);
            _denied(loose);
        }
    }

    function test_validateUserOp_reverts_looseNativeEncoding() public {
        bytes memory strict = single(payees[3], 1 ether, "");
        _denied(bytes.concat(strict, bytes32(0)));
        for (uint256 i = 0; i < strict.length; ++i) {
            if (i >= 100 && i < 152) continue;
            bytes memory loose = bytes.concat(strict);
            loose[i] = bytes1(uint8(loose[i]) ^ 1);
            _denied(loose);
        }
    }

    /// What is wrong is gathered before it is judged: two errors of the same bits must not cancel each other.
    function test_validateUserOp_reverts_errorsThatCancel() public {
        // The last bytes of mode, offset, length, value, zeros before the payee, zeros at the end.
        uint256[6] memory fixed_ = [uint256(35), 67, 99, 151, 167, 227];
        bytes memory strict = single(address(token), 0, _transfer());
        for (uint256 i = 0; i < fixed_.length; ++i) {
            bytes memory one = _flipped(strict, fixed_[i]);
            for (uint256 j = 0; j < i; ++j) _denied(_flipped(one, fixed_[j]));
            // 229 bytes are one bit off, too.
            _denied(bytes.concat(one, hex"00"));
        }
    }

    function test_validateUserOp_reverts_errorsThatCancelInNativeTransfer() public {
        uint256[4] memory fixed_ = [uint256(35), 67, 99, 163];
        bytes memory strict = single(payees[3], 1 ether, "");
        for (uint256 i = 0; i < fixed_.length; ++i)
            for (uint256 j = 0; j < i; ++j) _denied(_flipped(_flipped(strict, fixed_[i]), fixed_[j]));
    }

    /// Selector and mode are compared in words that overlap: a wrong selector, and a mode that repeats what is wrong.
    function test_validateUserOp_reverts_selectorThatCancelsMode(bytes4 wrong) public {
        vm.assume(wrong != 0);
        bytes memory callData = single(address(token), 0, _transfer());
        for (uint256 i = 0; i < 36; ++i) callData[i] = callData[i] ^ wrong[i % 4];
        _denied(callData);
    }

    function _flipped(bytes memory strict, uint256 position) private pure returns (bytes memory loose) {
        loose = bytes.concat(strict);
        loose[position] = bytes1(uint8(loose[position]) ^ 1);
    }

    function test_validateUserOp_reverts_shortCallData(uint256 length) public {
        bytes memory callData = single(address(token), 0, _transfer());
        length = bound(length, 1, callData.length - 1);
        assembly ("memory-safe") {
            mstore(callData, length) // callData = callData[:length]
        }
        _denied(callData);
    }

    /// A payee off the list leads to another root, and so to another policy.
    function test_validateUserOp_reverts_otherPayee(address payee) public {
        vm.assume(payee != payees[3] && payee != address(0));
        vm.assume(payee != address(account) && payee != address(entryPoint) && payee != address(log));
        Draft memory d = draft(_terms);
        d.callData = single(address(token), 0, abi.encodeCall(token.transfer, (payee, 1)));
        Grant memory other_ = _terms;
        other_.payees = _rootFrom(payee, Payees.proofOf(payees, 3));
        refused(d, notGranted(other_));
    }

    function test_validateUserOp_reverts_otherAsset(address asset) public {
        vm.assume(asset != address(token) && asset != address(0));
        Draft memory d = draft(_terms);
        d.callData = single(asset, 0, _transfer());
        Grant memory other_ = _terms;
        other_.asset = asset;
        refused(d, notGranted(other_));
    }

    /// Even an owner who lists such a payee can't make the account pay it.
    function test_validateUserOp_reverts_ownPartAsPayee() public {
        address[4] memory own = [address(account), address(entryPoint), address(log), address(0)];
        for (uint256 i = 0; i < 4; ++i) {
            payees = new address[](2);
            payees[1] = own[i];
            payees[0] = address(uint160(1 + i));
            for (uint256 native = 0; native < 2; ++native) {
                Grant memory terms = standardGrant();
                if (native == 1) terms.asset = address(0);
                install(terms);
                Draft memory d = draft(terms);
                d.payee = 1;
                refused(d, abi.encodeWithSelector(ISpendPolicy.PayeeNotAllowed.selector, own[i]));
            }
        }
    }

    function test_validateUserOp_onePayeeNeedsNoProof(address payee) public {
        vm.assume(payee != address(account) && payee != address(entryPoint) && payee != address(log));
        vm.assume(payee != address(0));
        payees = new address[](1);
        payees[0] = payee;
        Grant memory terms = standardGrant();
        assertEq(terms.payees, bytes32(uint256(uint160(payee))));
        install(terms);
        Draft memory d = draft(terms);
        d.payee = 0;
        d.amount = 5 ether;
        uint256 before = token.balanceOf(payee);
        send(d);
        assertEq(token.balanceOf(payee), before + 5 ether);
    }

    function test_validateUserOp_manyPayees(uint256 count, uint256 payee) public {
        payees = Payees.some(bound(count, 1, 40));
        Grant memory terms = standardGrant();
        terms.salt = 2;
        install(terms);
        Draft memory d = draft(terms);
        d.payee = bound(payee, 0, payees.length - 1);
        send(d);
        assertEq(token.balanceOf(payees[d.payee]), d.amount);
    }

    function _rootFrom(address payee, bytes memory proof) private pure returns (bytes32 node) {
        node = bytes32(uint256(uint160(payee)));
        for (uint256 i = 0; i < proof.length; i += 32) {
            bytes32 sibling;
            assembly ("memory-safe") {
                sibling := mload(add(add(proof, 32), i)) // sibling = proof[i:i + 32]
            }
            node =
                node < sibling ? keccak256(abi.encode(node, sibling)) : keccak256(abi.encode(sibling, node));
        }
    }
}
