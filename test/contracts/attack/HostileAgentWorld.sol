// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, IEntryPointExtra} from "../base/AccountTest.sol";
import {Payees} from "../base/Payees.sol";
import {Log} from "../base/Vm.sol";
import {Chance} from "./Chance.sol";
import {Thief, ThievesToken} from "./Thief.sol";

/// The account, its grants and its owner, and a record of what left it, kept without the account's own counters.
abstract contract HostileAgentWorld is AccountTest, Chance {
    uint256 internal constant LIMITS = 4;
    /// The one grant that the owner only signed, in epoch 0.
    uint256 internal constant SIGNED = 3;

    struct Payment {
        uint256 time;
        uint256 amount;
    }

    struct Limit {
        Grant grant;
        bytes32 policyId;
        uint256 key;
        address[] payees;
        bytes installSignature;
        /// What may take its place next.
        Grant successor;
        /// First payment that the window counts: one of another length knows what the ring held when it was replaced.
        uint256 firstInWindow;
        bool replaced;
        /// Epoch for which the owner granted it last.
        uint256 epoch;
        bool revoked;
        uint256 received;
        uint256 paid;
        Payment[] history;
    }

    /// What the account and its agents had before a bundle.
    struct Before {
        uint256 wealth;
        uint256 token;
        uint256 thieves;
        bool frozen;
        uint256 epoch;
    }

    Limit[LIMITS] internal limits;
    Thief internal thief;
    ThievesToken internal thievesToken;
    PackedUserOperation[] internal seen;
    mapping(address agent => uint256 wei_) internal gasOf;
    /// What an operation is, by its hash, if it is accepted.
    mapping(bytes32 userOpHash => bytes32 what) internal whatIs;
    uint256 private _salt = LIMITS;

    function setUp() public override {
        super.setUp();
        thief = new Thief(account, entryPoint);
        thievesToken = new ThievesToken(thief);
        thievesToken.mint(address(account), 1_000_000 ether);
        address[] memory all = Payees.some(12);
        for (uint256 i = 0; i < LIMITS; ++i) {
            Limit storage limit = limits[i];
            limit.key = i == 1 ? OTHER_KEY : AGENT_KEY;
            for (uint256 j = 0; j < 3; ++j) limit.payees.push(all[3 * i + j]);
            // The thief is paid in native coin, and by his token.
            if (i >= 2) limit.payees[1] = i == 2 ? address(thief) : limit.payees[1];
            limit.grant = Grant({
                agent: vm.addr(limit.key),
                asset: [address(token), address(token), address(0), address(thievesToken)][i],
                payees: Payees.rootOf(limit.payees),
                perCall: [uint256(5 ether), 3 ether, 2 ether, 77][i],
                perWindow: [uint256(12 ether), 7 ether, 5 ether, 65_535][i],
                lifetime: [uint256(40 ether), 90 ether, 20 ether, 100_000][i],
                bucket: [uint256(4 hours), 300, 301, 1000][i],
                gasBudget: 0.03 ether,
                feeCap: 0.002 ether,
                expiry: START + 90 days,
                salt: i,
                extras: noExtras()
            });
            limit.received = _received(limit);
            limit.policyId = account.policyIdOf(limit.grant);
            limit.installSignature = compact(
                i == SIGNED ? OWNER_KEY : limit.key,
                digest(installHash(limit.policyId, 0))
            );
            limit.successor = changedTerms(limit.grant);
            if (i != SIGNED) install(limit.grant);
        }
    }

    function jump() internal {
        uint256 bucket = limits[pick(LIMITS)].grant.bucket;
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

    // The owner.

    function ownersCall_() internal returns (bytes memory) {
        uint256 choice = pick(7);
        if (choice == 0) return abi.encodeCall(account.freeze, ());
        if (choice == 1) return abi.encodeCall(account.revokeAll, ());
        if (choice == 2 && pick(3) == 0)
            return abi.encodeCall(account.revoke, (limits[pick(LIMITS)].policyId));
        if (choice == 3) return abi.encodeCall(account.grant, (limits[pick(LIMITS)].grant));
        if (choice == 4) {
            Limit storage limit = limits[pick(LIMITS)];
            return abi.encodeCall(account.replace, (limit.grant, limit.successor));
        }
        return abi.encodeCall(account.unfreeze, ());
    }

    /// The same limit with other amounts, in other units, and sometimes with another window.
    function changedTerms(Grant memory terms) internal returns (Grant memory) {
        terms.salt = _salt++;
        uint256 tenths = 7 + pick(8);
        terms.perCall = (terms.perCall * tenths) / 10;
        terms.perWindow = (terms.perWindow * tenths) / 10;
        if (terms.perWindow > 65_535) terms.perWindow -= terms.perWindow % 0.01 ether;
        if (terms.perCall > 65_535) terms.perCall -= terms.perCall % 0.001 ether;
        terms.lifetime += terms.perCall;
        if (pick(2) == 0) terms.bucket = 300 + pick(15_000);
        return terms;
    }

    function ownerActs() internal {
        // After a stop, the game goes on.
        bytes[3] memory calls = [ownersCall_(), abi.encodeCall(account.unfreeze, ()), ownersCall_()];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(owner);
            (bool done, ) = address(account).call(calls[i]);
            if (done) _learn(calls[i]);
        }
        for (uint256 i = 0; i < LIMITS; ++i) {
            if (pick(3) == 0 || limits[i].revoked || limits[i].epoch == account.epoch()) continue;
            vm.prank(owner);
            try account.grant(limits[i].grant) {
                limits[i].epoch = account.epoch();
            } catch {
                continue;
            }
        }
    }

    /// Notes what an owner's call that took place means for the limits.
    function _learn(bytes memory call) private {
        for (uint256 i = 0; i < LIMITS; ++i) {
            bytes32 hash = keccak256(call);
            if (hash == keccak256(abi.encodeCall(account.revoke, (limits[i].policyId))))
                limits[i].revoked = true;
            if (hash == keccak256(abi.encodeCall(account.grant, (limits[i].grant))))
                limits[i].epoch = account.epoch();
            if (hash == keccak256(abi.encodeCall(account.replace, (limits[i].grant, limits[i].successor))))
                _succeed(limits[i]);
        }
    }

    function _succeed(Limit storage limit) private {
        count("replaced");
        if (limit.grant.bucket != limit.successor.bucket) {
            uint256 window = 6 * limit.grant.bucket;
            while (
                limit.firstInWindow < limit.history.length &&
                limit.history[limit.firstInWindow].time + window < time
            ) ++limit.firstInWindow;
        }
        limit.grant = limit.successor;
        limit.policyId = account.policyIdOf(limit.grant);
        (limit.replaced, limit.epoch) = (true, account.epoch());
        limit.successor = changedTerms(limit.grant);
    }

    // One bundle.

    function sendAll(PackedUserOperation[] memory ops, bytes memory ownersCall) internal returns (bool sent) {
        Before memory before = Before({
            wealth: wealth(),
            token: token.balanceOf(address(account)),
            thieves: thievesToken.balanceOf(address(account)),
            frozen: account.frozen(),
            epoch: account.epoch()
        });
        vm.recordLogs();
        vm.prank(bundler, bundler);
        try entryPoint.handleOps(ops, payable(bundler)) {
            if (seen.length < 4) seen.push(ops[ops.length - 1]);
            bool ownerActed = _readEvents(vm.getRecordedLogs(), before);
            _checkMoney(before, ownerActed ? ownersCall : bytes(""));
            if (ownerActed) _learn(ownersCall);
            sent = true;
            count("bundles");
        } catch (bytes memory failure) {
            vm.getRecordedLogs();
            countRefusal(failure);
            assertEq(wealth(), before.wealth);
        }
        assertEq(account.owner(), owner);
        assertEq(token.allowance(address(account), agent), 0);
        assertEq(token.allowance(address(account), address(thief)), 0);
    }

    function wealth() internal view returns (uint256) {
        return address(account).balance + entryPoint.balanceOf(address(account));
    }

    /// Charges the agents with the gas that the EntryPoint took. Whether an operation of the owner succeeded.
    function _readEvents(Log[] memory logs, Before memory before) private returns (bool ownerActed) {
        uint256 commitments = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(log) && logs[i].topics[0] == IDecisionLog.Committed.selector) {
                ++commitments;
                continue;
            }
            assertTrue(logs[i].topics[0] != Thief.DoorOpen.selector, "a door was open");
            if (logs[i].topics[0] != IEntryPointExtra.UserOperationEvent.selector) continue;
            (uint256 nonce, bool success, uint256 cost, ) = abi.decode(
                logs[i].data,
                (uint256, bool, uint256, uint256)
            );
            before.wealth -= cost;
            address lane = address(uint160(nonce >> 64));
            if (lane == address(99)) {
                ownerActed = success;
                if (success) count("owner's operations");
                continue;
            }
            assertTrue(!before.frozen, "a frozen agent acted");
            assertTrue(lane == agent || lane == other, "a lane of nobody");
            assertTrue(cost <= limits[0].grant.feeCap, "over the fee cap");
            gasOf[lane] += cost;
            bytes32 what = whatIs[logs[i].topics[1]];
            assertTrue(what != 0, "an operation that nobody made");
            count("operations");
            count(what);
            if (!success) count("stopped or failed");
            assertTrue(commitments != 0, "no decision, yet an operation");
            --commitments;
        }
        assertEq(commitments, 0);
        assertTrue(gasOf[agent] <= 3 * 0.03 ether, "over the gas budgets");
        assertTrue(gasOf[other] <= 0.03 ether, "over the gas budget");
    }

    function _checkMoney(Before memory before, bytes memory ownersCall) private {
        uint256[LIMITS] memory paid;
        bool stopped =
            keccak256(ownersCall) == keccak256(abi.encodeCall(account.freeze, ())) ||
                keccak256(ownersCall) == keccak256(abi.encodeCall(account.revokeAll, ()));
        for (uint256 i = 0; i < LIMITS; ++i) {
            Limit storage limit = limits[i];
            uint256 received = _received(limit);
            paid[i] = received - limit.received;
            limit.received = received;
            if (paid[i] == 0) continue;
            count("payments");
            count([bytes32("tokens paid"), "tokens paid", "coins paid", "thieves' tokens paid"][i]);
            if (limit.replaced) count("paid after a replacement");
            assertTrue(!stopped && !before.frozen, "paid after a stop");
            assertTrue(!limit.revoked && limit.epoch == before.epoch, "paid without a grant");
            assertTrue(
                keccak256(ownersCall) != keccak256(abi.encodeCall(account.revoke, (limit.policyId))),
                "paid after a revocation in the bundle"
            );
            assertTrue(
                keccak256(ownersCall) !=
                    keccak256(abi.encodeCall(account.replace, (limit.grant, limit.successor))),
                "paid after a replacement in the bundle"
            );
            assertTrue(time <= limit.grant.expiry, "paid after expiry");
            assertTrue(paid[i] <= 3 * limit.grant.perCall, "over the caps per call");
            limit.paid += paid[i];
            assertTrue(limit.paid <= limit.grant.lifetime, "over the lifetime cap");
            limit.history.push(Payment(time, paid[i]));
            assertTrue(inWindow(limit) <= limit.grant.perWindow, "over the window cap");
        }
        // All that left, left to payees.
        assertEq(before.token - token.balanceOf(address(account)), paid[0] + paid[1]);
        assertEq(before.wealth - wealth(), paid[2]);
        assertEq(before.thieves - thievesToken.balanceOf(address(account)), paid[3]);
    }

    function _received(Limit storage limit) private view returns (uint256 sum) {
        address asset = limit.grant.asset;
        for (uint256 i = 0; i < limit.payees.length; ++i) {
            address payee = limit.payees[i];
            sum += asset == address(0) ? payee.balance : IERC20(asset).balanceOf(payee);
        }
    }

    /// What was paid in the window that ends now, both ends included.
    function inWindow(Limit storage limit) internal view returns (uint256 sum) {
        uint256 window = 6 * limit.grant.bucket;
        for (uint256 i = limit.history.length; i > limit.firstInWindow; --i) {
            Payment storage payment = limit.history[i - 1];
            if (payment.time + window < time) break;
            sum += payment.amount;
        }
    }
}
