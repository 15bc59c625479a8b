// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {
    Approval,
    CallProof,
    Comparison,
    Condition,
    Grant,
    Rule
} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {HostileRuledRecord} from "./HostileRuledRecord.sol";
import {OddToken} from "./OddToken.sol";

/// The calls of hostile agents: such as a grant allows, such as it does not, and encodings that look like the former.
abstract contract HostileRuledCalls is HostileRuledRecord {
    /// Which trick an operation plays, if any.
    uint256 internal constant CALL = 0;
    uint256 internal constant ENCODING = 1;
    uint256 internal constant WORDS = 2;
    uint256 internal constant PROOF = 3;
    uint256 internal constant TAIL = 4;
    uint256 internal constant TAIL_WORDS = 5;
    uint256 internal constant CLAIM = 6;
    uint256 internal constant UNSIGNED = 7;
    uint256 internal constant APPROVAL = 8;
    uint256 internal constant REPLAY = 9;
    uint256 internal constant FORM = 10;
    uint256 internal constant COSTS = 11;
    uint256 internal constant LANE = 12;
    uint256 internal constant TRICKS = 13;

    /// An operation while it is made.
    struct Plan {
        uint256 line;
        uint256 trick;
        Execution[] calls;
        CallProof[] proofs;
        Approval approval;
        bytes32 approvalHash;
        Draft d;
        bytes end;
    }

    // Calls that may be made.

    function makeCalls(Plan memory plan, Line storage line, bool cosigned) internal {
        uint256 calls = [uint256(1), 1, 1, 1, 1, 2, 2, 3, 3, [uint256(0), 16, 17, 5][pick(4)]][pick(10)];
        plan.calls = new Execution[](calls);
        plan.proofs = new CallProof[](calls);
        uint256 left = _amount(line, cosigned);
        for (uint256 i = 0; i < calls; ++i) {
            uint256 amount = i + 1 == calls ? left : left / (calls - i);
            left -= amount;
            (plan.calls[i], plan.proofs[i]) = _honest(line, amount);
        }
        if (calls == 0) return;
        uint256 place = pick(calls);
        if (plan.trick == CALL) plan.calls[place] = _forbidden(line, plan.calls[place]);
        if (plan.trick == PROOF) _otherProof(line, plan.calls[place], plan.proofs[place]);
    }

    function _amount(Line storage line, bool cosigned) private returns (uint256) {
        Grant storage terms = line.grant;
        uint256 most = cosigned ? terms.extras.ceiling : terms.perCall;
        uint256 used = spentInWindow(line);
        uint256 left = terms.perWindow > used ? terms.perWindow - used : 1;
        uint256[10] memory amounts = [
            most,
            most,
            most / 2,
            most / 3 + 1,
            most + 1,
            left > most ? most : left,
            left + 1 > most ? most : left + 1,
            terms.lifetime > line.spent ? terms.lifetime - line.spent : 1,
            pick(most),
            [uint256(0), 1, type(uint256).max, 1 << 255][pick(4)]
        ];
        uint256 amount = amounts[pick(10)];
        return amount > most && pick(5) != 0 ? most : amount;
    }

    function _honest(
        Line storage line,
        uint256 amount
    ) private returns (Execution memory call, CallProof memory proof) {
        uint256 payee = pick(3);
        address to = line.payees[payee];
        address asset = line.grant.asset;
        if (line.rules.length != 0 && pick(2) == 0) {
            uint256 which = pick(2);
            proof.rule = line.rules[which];
            proof.path = new bytes32[](1);
            proof.path[0] = leafOf(line.rules[1 - which]);
            call.target = which == 0 ? address(plainRouter) : address(greedy);
            call.value = asset == address(0) ? amount : 0;
            uint256 argument = amount > 2 ether && pick(4) != 0 ? 2 ether : amount;
            call.callData = abi.encodeCall(plainRouter.swap, (asset, argument, address(account)));
            return (call, proof);
        }
        proof = payeePath(payee);
        if (asset == address(0)) return (Execution(to, amount, ""), proof);
        uint256 functions = line.grant.extras.functions;
        bytes[5] memory data = [
            abi.encodeCall(token.transfer, (to, amount)),
            abi.encodeCall(token.approve, (to, amount)),
            abi.encodeCall(token.transferFrom, (address(account), to, amount)),
            abi.encodeCall(OddToken.increaseAllowance, (to, amount)),
            abi.encodeCall(OddToken.permit, (address(account), to, amount, 0, 27, 0, 0))
        ];
        return (
            Execution(
                asset,
                0,
                data[
                    functions == 15
                        ? pick(5)
                        : functions == 2
                            ? pick(2)
                            : 0
                ]
            ),
            proof
        );
    }

    // Calls that may not.

    function _forbidden(Line storage line, Execution memory call) private returns (Execution memory) {
        address asset = line.grant.asset == address(0) ? address(tokens[1]) : line.grant.asset;
        address nobody = [line.grant.agent, address(account), address(entryPoint), address(0), bundler][
            pick(5)
        ];
        uint256 choice = pick(12);
        if (choice == 0) return _tokenTo(asset, nobody);
        if (choice == 1) return _tokenTo(address(OddToken(asset).TWIN()), pick(2) == 0 ? nobody : payees[0]);
        if (choice == 2) return _tokenTo(address(tokens[pick(TOKENS)]), pick(2) == 0 ? nobody : payees[0]);
        if (choice == 3) return Execution(address(account), 0, _ownersCall());
        if (choice == 4)
            return
                Execution(
                    address(entryPoint),
                    pick(2),
                    abi.encodeCall(entryPoint.withdrawTo, (payable(nobody), 1 ether))
                );
        if (choice == 5)
            return Execution(address(log), 0, abi.encodeCall(log.anchor, (address(account), agent, 1, 0)));
        if (choice == 6) return Execution(nobody, 1 ether, "");
        if (choice == 7) call.value += 1 ether;
        if (choice == 8) call.target = [address(plainRouter), address(greedy), asset, nobody][pick(4)];
        if (choice == 9) call.callData = bytes.concat(call.callData, new bytes(1 + pick(64)));
        if (choice == 10) call.callData = cut(call.callData, pick(call.callData.length + 1));
        if (choice == 11) call.callData = withOtherWords(call.callData, 4);
        return call;
    }

    function _tokenTo(address asset, address to) private returns (Execution memory) {
        bytes[8] memory data = [
            abi.encodeCall(token.transfer, (to, 1 ether)),
            abi.encodeCall(token.approve, (to, type(uint256).max)),
            abi.encodeCall(token.transferFrom, (address(account), to, 1 ether)),
            abi.encodeCall(OddToken.increaseAllowance, (to, 1 ether)),
            abi.encodeCall(OddToken.permit, (address(account), to, 1 ether, 0, 27, 0, 0)),
            abi.encodeCall(OddToken.push, (to, 1 ether)),
            abi.encodeCall(OddToken.transferAndCall, (to, 1 ether)),
            abi.encodeCall(OddToken.rebase, (agent, 1 ether))
        ];
        return Execution(asset, 0, data[pick(8)]);
    }

    function _ownersCall() private returns (bytes memory) {
        bytes[6] memory data = [
            abi.encodeCall(account.unfreeze, ()),
            abi.encodeCall(account.withdraw, (address(0), payable(agent), 1 ether)),
            abi.encodeCall(account.setCap, (cappedAsset(), 0, 0)),
            abi.encodeCall(account.setGuardian, (agent, true)),
            abi.encodeCall(account.heartbeat, ()),
            single(address(tokens[0]), 0, abi.encodeCall(token.transfer, (agent, 1 ether)))
        ];
        return data[pick(6)];
    }

    // Encodings.

    function callDataFor(Plan memory plan) internal returns (bytes memory) {
        if (plan.calls.length == 0 && plan.trick != ENCODING) return "";
        if (plan.calls.length == 1 && pick(3) != 0) return single(plan.calls[0]);
        return batch(plan.calls);
    }

    /// The same calls, and evil ones where only execution, or only validation, might look.
    function hidden(Plan memory plan) internal returns (bytes memory) {
        Execution[] memory evil = new Execution[](1);
        evil[0] = _tokenTo(address(tokens[pick(TOKENS)]), agent);
        bytes memory good = abi.encode(plan.calls);
        bytes memory bad = abi.encode(evil);
        bytes32 mode = BATCH;
        uint256 choice = pick(8);
        if (choice == 0) return bytes.concat(batch(plan.calls), bad);
        if (choice == 1) return abi.encodeCall(account.execute, (mode, bytes.concat(good, bad)));
        if (choice == 2) return abi.encodeCall(account.execute, (mode | bytes32(1 << pick(256)), good));
        if (choice == 3) return abi.encodeCall(account.execute, (bytes32(0), good));
        if (choice == 4) return bytes.concat(hex"8dd7712f", batch(plan.calls));
        if (choice == 5)
            // The outer offset points to other bytes.
            return
                bytes.concat(
                    account.execute.selector,
                    abi.encode(mode, 96 + good.length, good.length),
                    good,
                    abi.encode(bad.length),
                    bad
                );
        if (choice == 6)
            // The array's offset points behind the good array.
            return
                abi.encodeCall(
                    account.execute,
                    (mode, bytes.concat(abi.encode(good.length + 32), cut(good, 32, good.length), bad))
                );
        return single(address(account), 0, batch(evil));
    }

    /// Some words replaced by such as offsets, lengths and addresses may be: also negative ones, and beyond the end.
    function withOtherWords(bytes memory data, uint256 from) internal returns (bytes memory) {
        if (data.length < from + 32) return data;
        for (uint256 i = 1 + pick(2); i > 0; --i) {
            uint256 place = from + 32 * pick((data.length - from) / 32);
            uint256 old;
            assembly ("memory-safe") {
                old := mload(add(add(data, 32), place))
            }
            uint256 word = _word(old, data.length);
            assembly ("memory-safe") {
                mstore(add(add(data, 32), place), word)
            }
        }
        return data;
    }

    function _word(uint256 old, uint256 length) private returns (uint256) {
        unchecked {
            uint256[12] memory words = [
                old + 32,
                old - 32,
                old + 1,
                0,
                32,
                0 - 32 * pick(24),
                32 * pick(24),
                length + 32 * pick(24),
                uint256(uint160(agent)),
                type(uint256).max,
                1 << pick(256),
                old ^ (1 << pick(256))
            ];
            return words[pick(12)];
        }
    }

    // Proofs.

    function _otherProof(Line storage line, Execution memory call, CallProof memory proof) private {
        uint256 choice = pick(8);
        if (choice == 0) proof.path = new bytes32[](pick(4));
        if (choice == 1) proof.path[pick(proof.path.length)] = bytes32(next());
        if (choice == 2) proof.path = payeePath(pick(3)).path;
        if (choice == 3 && line.rules.length != 0) proof.rule = line.rules[pick(2)];
        if (choice == 4) proof.rule = bytes.concat(proof.rule, new bytes(32 * pick(3)));
        if (choice == 5) proof.rule = withOtherWords(proof.rule, 0);
        if (choice == 6) {
            // An inner node as if it were a payee.
            bytes32 node = keccak256(abi.encode(payees[0], payees[1]));
            call.callData = abi.encodeCall(token.transfer, (address(uint160(uint256(node))), 1 ether));
            proof.path = new bytes32[](1);
            proof.path[0] = bytes32(uint256(uint160(payees[2])));
        }
        if (choice == 7) {
            // A rule of its own.
            Rule memory rule;
            rule.target = call.target;
            rule.selector = bytes4(call.callData);
            rule.conditions = new Condition[](pick(2));
            if (rule.conditions.length == 1) rule.conditions[0] = Condition(0, Comparison.AtLeast, one(0));
            proof.rule = abi.encode(rule);
        }
    }

    function cut(bytes memory data, uint256 to) internal pure returns (bytes memory) {
        return cut(data, 0, to);
    }

    function cut(bytes memory data, uint256 from, uint256 to) internal pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i = from; i < to; ++i) part[i - from] = data[i];
    }
}
