// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {HostileRuledTricks} from "./HostileRuledTricks.sol";

/// Two hostile agents with every grant there is, tokens that do what they like, and a gang that pulls whatever was approved.
contract HostileRuledTest is HostileRuledTricks {
    uint256 private constant STEPS = 16;

    function test_attack_leavesNoMoreThanGranted(uint256 seed) public {
        _attack(seed);
        tell();
    }

    /// Not beaten at the gate: everything that a trick hides in is accepted, in every line, with tokens of every sort.
    function test_attack_isReal() public {
        for (uint256 seed = 1; seed <= 16; ++seed) {
            if (seed > 1) _begin();
            _attack(seed);
        }
        atLeast("operations", 120);
        atLeast("payments", 60);
        atLeast("approvals of spenders", 25);
        atLeast("pulls", 8);
        atLeast("line: functions", 15);
        atLeast("line: rules", 8);
        atLeast("line: coin", 8);
        atLeast("line: co-signed", 8);
        atLeast("line: sponsored", 8);
        atLeast("line: inside", 3);
        atLeast("granted inside", 2);
        atLeast("sponsored", 5);
        atLeast("co-signed", 6);
        atLeast("co-signed above the cap", 2);
        atLeast("spent under the cap", 4);
        atLeast("spent after a replacement", 10);
        atLeast("granted anew", 2);
        atLeast("failed or stopped", 10);
        atLeast("owner's operations", 20);
        atLeast("bundles in one transaction", 4);
        atLeast("token: takes fees", 3);
        atLeast("token: no return value", 3);
        atLeast("token: returns false", 3);
        atLeast("token: reverts at times", 3);
        atLeast("token: reentrant", 3);
        atLeast("the gang was called", 6);
    }

    /// Another account, other tokens, an empty record.
    function _begin() private {
        delete lines;
        delete seen;
        (isFrozen, epochTold, beaten) = (false, 0, 0);
        (capAmount, capBucket, capFirst) = (0, 0, 0);
        delete historyOf[address(0)];
        setUp();
    }

    function _attack(uint256 seed) private {
        random = seed;
        count("runs");
        Deed memory first;
        (first.act, first.call) = (Act.Beat, abi.encodeCall(account.heartbeat, ()));
        doDeed(first);
        for (uint256 step = 0; step < STEPS; ++step) {
            tokensAct();
            if (pick(2) == 0) _jump();
            if (isFrozen || !isLive(lines[pick(LINES)]) ? pick(3) != 0 : pick(8) == 0) _ownerActs();
            if (pick(4) == 0) _gangActs();
            _bundle();
        }
        if (thief.tries() + greedy.tries() != 0) count("the gang was called");
    }

    function _jump() private {
        uint256 bucket = lines[pick(LINES)].grant.bucket;
        uint256[10] memory spans = [
            uint256(1),
            299,
            300,
            301,
            bucket - 1,
            bucket,
            6 * bucket - 300,
            6 * bucket,
            6 * bucket + 1,
            7 * bucket + 300
        ];
        warp(time + spans[pick(10)]);
    }

    /// After a stop, the game goes on.
    function _ownerActs() private {
        if (pick(3) == 0) {
            vm.prank(guardian);
            account.freeze();
            isFrozen = true;
            checkHead();
        }
        doDeed(someDeed());
        Deed memory deed;
        (deed.act, deed.call) = (Act.Unfreeze, abi.encodeCall(account.unfreeze, ()));
        doDeed(deed);
        if (pick(2) == 0) {
            (deed.act, deed.call) = (Act.Beat, abi.encodeCall(account.heartbeat, ()));
            doDeed(deed);
        }
        for (uint256 i = 0; i < LINES; ++i) {
            if (isLive(lines[i]) || pick(3) == 0 || (i == INSIDE && epochTold == 0)) continue;
            if (lines[i].granted == 0) {
                renewLine(lines[i]);
                continue;
            }
            (deed.act, deed.line) = (Act.Grant, i);
            deed.call = abi.encodeCall(account.grant, (lines[i].grant));
            doDeed(deed);
        }
        vm.prank(owner);
        account.withdraw(address(0), payable(owner), 1);
        checkHead();
    }

    function _gangActs() private {
        thief.pullAll();
        greedy.pullAll();
        checkPulls();
    }

    function _bundle() private {
        bool withOwner = pick(5) == 0;
        uint256 agents = 1 + pick(3);
        PackedUserOperation[] memory ops = new PackedUserOperation[](agents + (withOwner ? 1 : 0));
        for (uint256 i = ops.length - agents; i < ops.length; ++i) ops[i] = operation(uint32(i));
        if (withOwner) {
            Deed memory deed = someDeed();
            ops[0] = ownerOp(single(address(account), 0, deed.call));
            deeds[hashOf(ops[0])] = deed;
            // The owner may come last as well.
            if (pick(3) == 0) (ops[0], ops[agents]) = (ops[agents], ops[0]);
        }
        // All in one bundle, or each in one of its own, in one transaction.
        if (sendAll(ops, pick(4) == 0) || ops.length == 1) return;
        // One bad operation spoils a bundle: try each for itself.
        for (uint256 i = 0; i < ops.length; ++i) sendAll(bundle(ops[i]), false);
    }
}
