// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {HostileAgentTricks} from "./HostileAgentTricks.sol";

/// Two hostile agents that sign anything, bundle it themselves and meet an owner who stops, grants and replaces at random.
/// Whatever they do, what leaves the account is what the grants allow.
contract HostileAgentTest is HostileAgentTricks {
    uint256 private constant STEPS = 20;

    function test_attack_leavesNoMoreThanGranted(uint256 seed) public {
        _attack(seed);
        tell();
    }

    /// The attack above is not beaten at the gate: what the tricks are tried on is accepted, every kind of it.
    function test_attack_isReal() public {
        for (uint256 seed = 1; seed <= 8; ++seed) {
            delete limits;
            (gasOf[agent], gasOf[other]) = (0, 0);
            setUp();
            _attack(seed);
        }
        atLeast("operations", 50);
        atLeast("payments", 25);
        atLeast("kind 1", 40);
        atLeast("kind 2", 1);
        atLeast("kind 3", 1);
        atLeast("tokens paid", 10);
        atLeast("coins paid", 3);
        atLeast("thieves' tokens paid", 3);
        atLeast("stopped or failed", 1);
        atLeast("owner's operations", 5);
        atLeast("replaced", 3);
        atLeast("paid after a replacement", 3);
        assertTrue(thief.tries() != 0, "the thief never got a call");
    }

    function _attack(uint256 seed) private {
        random = seed;
        count("runs");
        for (uint256 step = 0; step < STEPS; ++step) {
            if (pick(2) == 0) jump();
            if (pick(account.frozen() ? 2 : 8) == 0) ownerActs();
            _bundle();
        }
    }

    function _bundle() private {
        bytes memory ownersCall = pick(4) == 0 ? ownersCall_() : bytes("");
        uint256 agents = 1 + pick(3);
        PackedUserOperation[] memory ops = new PackedUserOperation[](
            agents + (ownersCall.length == 0 ? 0 : 1)
        );
        for (uint256 i = ops.length - agents; i < ops.length; ++i) ops[i] = operation(uint32(i));
        if (ownersCall.length != 0) ops[0] = ownerOp(single(address(account), 0, ownersCall));
        if (sendAll(ops, ownersCall) || ops.length == 1) return;
        // One bad operation spoils a bundle: try each for itself.
        for (uint256 i = 0; i < ops.length; ++i)
            sendAll(bundle(ops[i]), ops.length - i > agents ? ownersCall : bytes(""));
    }
}
