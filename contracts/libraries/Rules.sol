// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution, IERC7579Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ERC7579Utils} from "@openzeppelin/contracts/account/utils/draft-ERC7579Utils.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {CallProof, Comparison, Condition, ISpendPolicy, Rule, Tail} from "../interfaces/ISpendPolicy.sol";
import {Calldata} from "./Calldata.sol";

/// What the calls of a kind 4 operation spend, and whether the grant allows each of them. Default deny.
library Rules {
    using Calldata for bytes;

    bytes32 internal constant SINGLE = 0;
    bytes32 internal constant BATCH = bytes32(bytes1(0x01));
    uint256 internal constant MAX_CALLS = 16;

    /// Bits of `Extras.functions`.
    uint256 internal constant TRANSFER_FROM = 1;
    uint256 internal constant APPROVE = 2;
    uint256 internal constant INCREASE_ALLOWANCE = 4;
    uint256 internal constant PERMIT = 8;
    uint256 internal constant ALL_FUNCTIONS = 15;

    /// Of OpenZeppelin's ERC-20 up to version 4.
    bytes4 internal constant INCREASE_ALLOWANCE_SELECTOR = bytes4(
        keccak256("increaseAllowance(address,uint256)")
    );

    /// Reads all calls, or reverts at the first that the grant does not allow.
    /// @param account Whose calls they are.
    /// @return amount What they spend together, in base units of the grant's asset.
    /// @return touched Of each call who is paid, may pull, or is called. The caller makes sure it is nobody of its own.
    function read(
        Tail memory tail,
        bytes calldata callData,
        address account
    ) internal pure returns (uint256 amount, address[] memory touched) {
        (bytes32 mode, bytes calldata execution) = _execution(callData);
        if (mode == SINGLE) {
            if (tail.proofs.length != 1) revert ISpendPolicy.CallCountNotAllowed(1);
            touched = new address[](1);
            (amount, touched[0]) = _call(
                tail,
                tail.proofs[0],
                address(bytes20(execution.word(0))),
                uint256(execution.word(20)),
                execution[52:],
                account
            );
            return (amount, touched);
        }
        Execution[] calldata calls = _batch(execution);
        if (calls.length == 0 || calls.length > MAX_CALLS || calls.length != tail.proofs.length)
            revert ISpendPolicy.CallCountNotAllowed(calls.length);
        touched = new address[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            uint256 spent;
            (spent, touched[i]) = _call(
                tail,
                tail.proofs[i],
                calls[i].target,
                calls[i].value,
                calls[i].callData,
                account
            );
            amount += spent;
        }
    }

    /// Whether a rule of this selector would let money go uncounted: every known function that moves ERC-20 tokens or lets
    /// somebody else move them (ERC-20, ERC-2612, ERC-777, ERC-1363, ERC-3009, and what DAI, stETH and older tokens have beside
    /// those). Functions of Permit2 and of NFTs are not: the former can be counted by `Rule.spends`, and an NFT is no asset of
    /// a grant.
    function isReserved(bytes4 selector) internal pure returns (bool) {
        return
            selector == IERC20.transfer.selector ||
            selector == IERC20.transferFrom.selector ||
            selector == IERC20.approve.selector ||
            selector == IERC20Permit.permit.selector ||
            selector == INCREASE_ALLOWANCE_SELECTOR ||
            selector == 0xd73dd623 || // increaseApproval(address,uint256)
            selector == 0x8fcbaf0c || // permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)
            selector == 0x9fd5a6cf || // permit(address,address,uint256,uint256,bytes)
            selector == 0x1296ee62 || // transferAndCall(address,uint256)
            selector == 0x4000aea0 || // transferAndCall(address,uint256,bytes)
            selector == 0xd8fbe994 || // transferFromAndCall(address,address,uint256)
            selector == 0xc1d34b89 || // transferFromAndCall(address,address,uint256,bytes)
            selector == 0x3177029f || // approveAndCall(address,uint256)
            selector == 0xcae9ca51 || // approveAndCall(address,uint256,bytes)
            selector == 0x9bd9bbc6 || // send(address,uint256,bytes)
            selector == 0x62ad1b83 || // operatorSend(address,address,uint256,bytes,bytes)
            selector == 0x959b8c3f || // authorizeOperator(address)
            selector == 0xb753a98c || // push(address,uint256)
            selector == 0xf2d5d56b || // pull(address,uint256)
            selector == 0xbb35783b || // move(address,address,uint256)
            selector == 0x8fcb4e5b || // transferShares(address,uint256)
            selector == 0x6d780459 || // transferSharesFrom(address,address,uint256)
            selector == 0xcf092995 || // transferWithAuthorization, with bytes for a signature
            selector == 0xe3ee160e; // transferWithAuthorization, with v, r, s
    }

    /// Leaf of a rule, from abi.encode(Rule). Hashed twice: no node of the tree passes for one.
    function leafOf(bytes memory rule) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(rule)));
    }

    /// The two arguments of `execute`, encoded canonically and nothing behind them (bytes of padding may be any): so execution,
    /// which reads the same bytes at another place of its calldata, can't understand them differently.
    function _execution(
        bytes calldata callData
    ) private pure returns (bytes32 mode, bytes calldata execution) {
        if (
            callData.length < 100 ||
            bytes4(callData.word(0)) != IERC7579Execution.execute.selector ||
            uint256(callData.word(36)) != 64
        ) revert ISpendPolicy.CallNotAllowed();
        mode = callData.word(4);
        uint256 length = uint256(callData.word(68));
        if (
            (mode != SINGLE && mode != BATCH) ||
            length > callData.length ||
            callData.length != 100 + ((length + 31) & ~uint256(31)) ||
            (mode == SINGLE && length < 52)
        ) revert ISpendPolicy.CallNotAllowed();
        execution = callData[100:100 + length];
    }

    /// The calls of a batch. Calldata offsets may point anywhere, also backwards and out of `execution`; encoding the calls anew
    /// proves that they don't.
    function _batch(bytes calldata execution) private pure returns (Execution[] calldata calls) {
        calls = ERC7579Utils.decodeBatch(execution);
        if (keccak256(abi.encode(calls)) != execution.hash()) revert ISpendPolicy.CallNotAllowed();
    }

    function _call(
        Tail memory tail,
        CallProof memory proof,
        address target,
        uint256 value,
        bytes calldata data,
        address account
    ) private pure returns (uint256 spent, address touched) {
        if (tail.asset == address(0)) {
            if (data.length == 0) {
                _requirePayee(tail, proof, target);
                return (value, target);
            }
        } else {
            if (value != 0) revert ISpendPolicy.CallNotAllowed();
            if (target == tail.asset) {
                (spent, touched) = _tokenCall(tail.extras.functions, data, account);
                _requirePayee(tail, proof, touched);
                return (spent, touched);
            }
        }
        return (value + _ruledCall(tail, proof, target, data, account), target);
    }

    /// A call of the asset itself.
    /// @return amount What it spends or lets somebody spend.
    /// @return payee Who gets it.
    function _tokenCall(
        uint256 functions,
        bytes calldata data,
        address account
    ) private pure returns (uint256 amount, address payee) {
        bytes4 selector = bytes4(data);
        if (selector == IERC20.transfer.selector) {
            _requireLength(data, 68);
            return (uint256(data.word(36)), _address(data, 4));
        }
        if (selector == IERC20.transferFrom.selector && functions & TRANSFER_FROM != 0) {
            _requireLength(data, 100);
            // Only its own tokens: what others let the account pull is not the grant's to spend.
            if (_address(data, 4) != account) revert ISpendPolicy.ArgumentNotAllowed(0, data.word(4));
            return (uint256(data.word(68)), _address(data, 36));
        }
        if (
            (selector == IERC20.approve.selector && functions & APPROVE != 0) ||
            (selector == INCREASE_ALLOWANCE_SELECTOR && functions & INCREASE_ALLOWANCE != 0)
        ) {
            _requireLength(data, 68);
            return (uint256(data.word(36)), _address(data, 4));
        }
        if (selector == IERC20Permit.permit.selector && functions & PERMIT != 0) {
            _requireLength(data, 228);
            if (_address(data, 4) != account) revert ISpendPolicy.ArgumentNotAllowed(0, data.word(4));
            return (uint256(data.word(68)), _address(data, 36));
        }
        revert ISpendPolicy.FunctionNotAllowed(selector);
    }

    /// A call by a rule of the grant.
    /// @return spent What counts beside the native coin sent along.
    function _ruledCall(
        Tail memory tail,
        CallProof memory proof,
        address target,
        bytes calldata data,
        address account
    ) private pure returns (uint256 spent) {
        bytes4 selector = bytes4(data);
        if (
            data.length < 4 ||
            proof.rule.length == 0 ||
            isReserved(selector) ||
            MerkleProof.processProof(proof.path, leafOf(proof.rule)) != tail.extras.rules
        ) revert ISpendPolicy.RuleNotAllowed(target, selector);
        Rule memory rule = abi.decode(proof.rule, (Rule));
        if (rule.target != target || rule.selector != selector)
            revert ISpendPolicy.RuleNotAllowed(target, selector);
        for (uint256 i = 0; i < rule.conditions.length; ++i) {
            Condition memory condition = rule.conditions[i];
            bytes32 actual = _argument(data, condition.word);
            if (!_holds(condition, uint256(actual), account))
                revert ISpendPolicy.ArgumentNotAllowed(condition.word, actual);
        }
        if (rule.spends != 0) spent = uint256(_argument(data, rule.spends - 1));
    }

    function _holds(Condition memory condition, uint256 actual, address account) private pure returns (bool) {
        uint256[] memory operands = condition.operands;
        if (condition.comparison == Comparison.Self) return actual == uint160(account);
        if (condition.comparison == Comparison.In) {
            for (uint256 i = 0; i < operands.length; ++i) if (operands[i] == actual) return true;
            return false;
        }
        if (operands.length != 1) return false;
        return condition.comparison == Comparison.AtMost ? actual <= operands[0] : actual >= operands[0];
    }

    /// The 32-byte word of the calldata behind the selector, or an error if it is not (wholly) there.
    function _argument(bytes calldata data, uint256 word) private pure returns (bytes32) {
        if (word >= (data.length - 4) / 32) revert ISpendPolicy.ArgumentNotAllowed(word, 0);
        return data.word(4 + 32 * word);
    }

    function _requirePayee(Tail memory tail, CallProof memory proof, address payee) private pure {
        bytes32 leaf = bytes32(uint256(uint160(payee)));
        if (MerkleProof.processProof(proof.path, leaf) != tail.payees)
            revert ISpendPolicy.PayeeNotAllowed(payee);
    }

    function _requireLength(bytes calldata data, uint256 length) private pure {
        if (data.length != length) revert ISpendPolicy.CallNotAllowed();
    }

    /// An address with clean high bytes.
    function _address(bytes calldata data, uint256 position) private pure returns (address) {
        uint256 word = uint256(data.word(position));
        if (word > type(uint160).max) revert ISpendPolicy.CallNotAllowed();
        return address(uint160(word));
    }
}
