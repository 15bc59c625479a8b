// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Delegation} from "../../../contracts/interfaces/IDelegationManager.sol";
import {IPermissionSpender} from "../../../contracts/interfaces/IPermissionSpender.sol";
import {PermissionTest} from "../base/PermissionTest.sol";
import {Log} from "../base/Vm.sol";
import {Chance} from "./Chance.sol";

/// A hostile agent, another one of its account, its owner and strangers, who try anything out of what two payers permitted, while these
/// stop at random. Whatever they do, what leaves a payer is what his permission leaves in the period, and comes with a decision.
contract HostilePermissionTest is PermissionTest, Chance {
    uint256 private constant STEPS = 30;
    uint256 private constant LIMIT = 10 ether;

    address private immutable second = vm.addr(uint256(keccak256("second payer")));
    mapping(address payer => bool over) private _over;
    mapping(address payer => uint256 balance) private _balances;
    mapping(address payer => mapping(uint256 period => uint256 amount)) private _taken;

    function setUp() public override {
        super.setUp();
        vm.etch(second, payer.code);
        token.mint(second, 1_000_000 ether);
        employ(OTHER_KEY, 1, IPermissionSpender.spend.selector);
        (_balances[payer], _balances[second]) = (1_000_000 ether, 1_000_000 ether);
        (_over[payer], _over[second]) = (false, false);
        size = 1000;
    }

    function test_attack_takesNoMoreThanPermitted(uint256 seed) public {
        _attack(seed);
        tell();
    }

    /// The attack above is not beaten at the gate.
    function test_attack_isReal() public {
        for (uint256 seed = 1; seed <= 8; ++seed) {
            setUp();
            for (uint256 period = 0; period <= 64; ++period)
                (_taken[payer][period], _taken[second][period]) = (0, 0);
            _attack(seed);
        }
        atLeast("spent", 20);
        atLeast("used up", 1);
        atLeast("not spent", 60);
        atLeast("calls refused", 40);
        atLeast("ended", 1);
    }

    function _attack(uint256 seed) private {
        random = seed;
        count("runs");
        for (uint256 step = 0; step < STEPS; ++step) {
            if (pick(4) == 0) warp(time + [uint256(1), PERIOD / 2, PERIOD - 1, PERIOD][pick(4)]);
            if (pick(24) == 0) _stop(pick(2) == 0 ? payer : second);
            vm.recordLogs();
            if (pick(4) == 0) _call();
            else _operate();
            _check(vm.getRecordedLogs());
        }
    }

    function _stop(address who) private {
        Delegation memory delegation = _permissionOf(who);
        bytes32 name = nameOf(delegation);
        uint256 choice = pick(3);
        vm.prank(who);
        if (choice == 0) spender.revoke(name);
        if (choice == 1) spender.revokeAll();
        if (choice == 2) {
            (bool done, ) = address(manager).call(
                abi.encodeWithSignature(
                    "disableDelegation((address,address,bytes32,(address,bytes,bytes)[],uint256,bytes))",
                    delegation
                )
            );
            // Disabling it twice is an error.
            if (!done) return;
        }
        _over[who] = true;
        count("ended");
    }

    function _permissionOf(address who) private view returns (Delegation memory delegation) {
        delegation = permission();
        delegation.delegator = who;
        return signedBy(who == payer ? PAYER_KEY : uint256(keccak256("second payer")), delegation);
    }

    /// What a payer permitted, or something that looks like it.
    function _contextOf(address who) private returns (bytes memory) {
        Delegation memory delegation = _permissionOf(who);
        uint256 choice = pick(16);
        if (choice == 0)
            delegation.caveats[0].terms = abi.encodePacked(token, 100 * LIMIT, PERIOD, START - 1);
        if (choice == 1) delegation.caveats[0].args = abi.encode(next());
        if (choice == 2) delegation.salt = next();
        if (choice == 3) delegation.delegate = address(0xa11);
        if (choice == 4) delegation.delegate = address(account);
        if (choice == 5) delegation.delegator = who == payer ? second : payer;
        if (choice == 6) delegation.caveats[2].terms = abi.encodePacked(uint128(0), uint128(START + 90 days));
        if (choice == 7) delegation.signature = bytes.concat(delegation.signature, hex"00");
        // Whoever made it up signs it himself.
        if (choice < 7 && pick(2) == 0) delegation = signedBy(AGENT_KEY, delegation);
        bytes memory encoded = contextOf(delegation);
        return pick(8) == 0 ? bytes.concat(encoded, abi.encode(next())) : encoded;
    }

    function _amount() private returns (uint256) {
        uint256 choice = pick(6);
        if (choice == 0) return LIMIT + 1;
        if (choice == 1) return next();
        return choice < 5 ? pick(LIMIT) + 1 : LIMIT;
    }

    function _data() private returns (bytes memory) {
        address who = pick(3) == 0 ? second : payer;
        address named = pick(12) == 0 ? other : who;
        address payee = pick(12) == 0 ? named : payees[pick(8)];
        return
            abi.encodeCall(
                spender.spend,
                (named, pick(12) == 0 ? other : address(token), payee, _amount(), _contextOf(who))
            );
    }

    /// Strangers, straight to the contract and to the manager.
    function _call() private {
        bytes memory data = _data();
        address target = address(spender);
        if (pick(2) == 0) {
            bytes[] memory contexts = new bytes[](1);
            bytes[] memory executions = new bytes[](1);
            contexts[0] = _contextOf(payer);
            executions[0] = abi.encodePacked(
                token,
                uint256(0),
                abi.encodeCall(token.transfer, (other, 1 ether))
            );
            target = address(manager);
            data = abi.encodeCall(manager.redeemDelegations, (contexts, new bytes32[](1), executions));
        }
        vm.prank([agent, other, owner, bundler][pick(4)]);
        (bool done, ) = target.call(data);
        count(done ? bytes32("calls accepted") : bytes32("calls refused"));
    }

    function _operate() private {
        bytes memory data = _data();
        bytes memory callData = pick(8) == 0 ? single(address(spender), 0, data) : batchOf(data);
        uint256 key = pick(8) == 0 ? OTHER_KEY : AGENT_KEY;
        PackedUserOperation memory op = operationOf(key, 1, callData, IPermissionSpender.spend.selector);
        vm.prank(bundler, bundler);
        entryPoint.handleOps(
            pick(4) == 0 ? bundle(op, ownerOp(pick(2) == 0 ? callData : batchOf(_data()))) : bundle(op),
            payable(bundler)
        );
    }

    function _check(Log[] memory logs) private {
        uint256 commitments = 0;
        uint256 spends = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(log) && logs[i].topics[0] == IDecisionLog.Committed.selector)
                ++commitments;
            if (logs[i].emitter == address(spender) && logs[i].topics[0] == IPermissionSpender.Spent.selector)
                ++spends;
        }
        assertTrue(spends <= commitments, "more spends than decisions");
        uint256 taken = _look(payer) + _look(second);
        assertTrue(taken == 0 || spends != 0, "taken without a spend");
        count(taken == 0 ? bytes32("not spent") : bytes32("spent"));
        assertEq(token.balanceOf(address(spender)), 0);
    }

    function _look(address who) private returns (uint256 amount) {
        amount = _balances[who] - token.balanceOf(who);
        if (amount == 0) return 0;
        _balances[who] -= amount;
        assertTrue(!_over[who], "taken after a stop");
        assertTrue(time < START + 30 days, "taken after the end");
        uint256 period = (time - START + 1) / PERIOD;
        _taken[who][period] += amount;
        assertTrue(_taken[who][period] <= LIMIT, "over the period");
        if (_taken[who][period] == LIMIT) count("used up");
    }
}
