// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {AgentSpendGrant, ISpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {Payees} from "../base/Payees.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";
import {Log} from "../base/Vm.sol";
import {Wallet} from "../base/Wallet.sol";
import {Chance} from "./Chance.sol";
import {IAccomplice, Oddity, OddToken} from "./OddToken.sol";

/// An agent that is a contract, and that its token calls amid each transfer: then it spends again.
contract Accomplice is IAccomplice {
    ISpendGrant private immutable GRANTS;
    AgentSpendGrant private _grant;
    uint32 private _size;

    constructor(ISpendGrant grants) {
        GRANTS = grants;
    }

    function learn(AgentSpendGrant calldata grant) external {
        _grant = grant;
    }

    function act() external {
        if (_grant.account == address(0)) return;
        try
            GRANTS.spendDirectly(_grant, _grant.payees[0], _grant.perCall, Source.Token, ++_size, "root")
        {} catch {
            --_size;
        }
    }
}

/// Payers, what they signed, and a record of what left them, kept without the contract's own counters.
abstract contract HostileSpenderWorld is SpendGrantTest, Chance {
    uint256 internal constant GRANTS = 6;

    struct Payment {
        uint256 time;
        uint256 amount;
    }

    /// @param signer Key that signs for the payer.
    /// @param key Key of the agent; 0: it is the accomplice.
    /// @param revoked Whether the payer ended it.
    /// @param paid Out of this grant and those that it took the place of, paidBefore out of those alone.
    struct Signed {
        AgentSpendGrant grant;
        uint256 signer;
        uint256 key;
        bool revoked;
        uint256 received;
        uint256 paid;
        uint256 paidBefore;
        Payment[] history;
    }

    Signed[GRANTS] internal signed_;
    address internal walletPayer;
    OddToken internal odd;
    Accomplice internal accomplice;
    mapping(address payer_ => uint256 epoch) internal epochs;

    function setUp() public virtual override {
        super.setUp();
        accomplice = new Accomplice(grants);
        odd = new OddToken(accomplice);
        odd.become(Oddity.Reentrant);
        walletPayer = address(new Wallet(owner));
        odd.rebase(walletPayer, 1_000_000 ether);
        vm.prank(walletPayer);
        odd.approve(address(grants), type(uint256).max);
        address[] memory all = Payees.some(2 * GRANTS);
        for (uint256 i = 0; i < GRANTS; ++i) {
            Signed storage entry = signed_[i];
            bool isOdd = i == 3 || i == 5;
            entry.signer = isOdd ? OWNER_KEY : PAYER_KEY;
            entry.key = [AGENT_KEY, OTHER_KEY, AGENT_KEY, AGENT_KEY, OTHER_KEY, 0][i];
            AgentSpendGrant memory grant = directGrant();
            grant.account = isOdd ? walletPayer : payer;
            grant.agentKey = i == 5 ? address(accomplice) : vm.addr(entry.key);
            grant.agent = i == 2 || i == 4 ? address(account) : grant.agentKey;
            grant.token = isOdd ? address(odd) : address(token);
            grant.perCall = [uint160(5 ether), 3 ether, 5 ether, 77, 2 ether, 9 ether][i];
            grant.perWindow = [uint160(12 ether), 7 ether, 12 ether, 200, 5 ether, 20 ether][i];
            grant.total = [uint160(40 ether), 60 ether, 90 ether, 1000, 20 ether, 70 ether][i];
            grant.window = [uint48(1800), 3600, 1 days, 1806, 7 days, 1800][i];
            grant.salt = i;
            address[] memory own = new address[](2);
            (own[0], own[1]) = (all[2 * i], all[2 * i + 1]);
            grant.payees = sorted(own);
            entry.grant = grant;
            if (i != 4) grants.approveBySignature(grant, signedBy(entry.signer, grant));
        }
        accomplice.learn(signed_[5].grant);
        employ(AGENT_KEY, 1, ISpendGrant.spend.selector);
        employ(OTHER_KEY, 1, ISpendGrant.spend.selector);
    }

    function jump() internal {
        uint256 window = signed_[pick(GRANTS)].grant.window;
        uint256[10] memory spans = [
            uint256(1),
            window / 6 - 1,
            window / 6,
            window / 6 + 1,
            window - 1,
            window,
            window + 1,
            window + window / 6,
            window + window / 6 + 1,
            2 * window
        ];
        warp(time + spans[pick(10)]);
    }

    /// Looks at what a transaction did, after it.
    function check(Log[] memory logs) internal {
        uint256 commitments = 0;
        uint256 spends = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(log) && logs[i].topics[0] == IDecisionLog.Committed.selector)
                ++commitments;
            if (logs[i].emitter != address(grants)) continue;
            if (logs[i].topics[0] != ISpendGrant.Spent.selector) continue;
            ++spends;
            assertTrue(commitments != 0, "no decision, yet a spend");
            (, uint256 amount) = abi.decode(logs[i].data, (address, uint256));
            for (uint256 j = 0; j < GRANTS; ++j) {
                if (logs[i].topics[1] != digestOf(signed_[j].grant)) continue;
                assertTrue(amount <= signed_[j].grant.perCall, "over the cap per call");
                if (signed_[j].grant.agent == signed_[j].grant.agentKey) count("spent by keys");
                else count("spent by accounts");
            }
        }
        uint256 total = 0;
        uint256 oddTotal = 0;
        for (uint256 i = 0; i < GRANTS; ++i) {
            _look(signed_[i]);
            if (signed_[i].grant.token == address(odd)) oddTotal += signed_[i].paid;
            else total += signed_[i].paid;
        }
        // What the payees did not get, nobody got.
        assertEq(token.balanceOf(payer), 1_000_000 ether - total);
        assertEq(odd.balanceOf(walletPayer), 1_000_000 ether - oddTotal);
        assertEq(token.balanceOf(address(grants)), 0);
    }

    /// Holds what the grant's payees got against the grant, as it stood before this transaction.
    function _look(Signed storage entry) private {
        AgentSpendGrant memory grant = entry.grant;
        uint256 received = 0;
        for (uint256 i = 0; i < 2; ++i) received += IERC20(grant.token).balanceOf(grant.payees[i]);
        uint256 amount = received - entry.received;
        if (amount == 0) return;
        (entry.received, entry.paid) = (received, entry.paid + amount);
        assertTrue(!entry.revoked, "spent after an end");
        assertTrue(grant.epoch == epochs[grant.account], "spent in another epoch");
        assertTrue(time > grant.validAfter && time <= grant.validUntil, "spent out of its time");
        assertTrue(entry.paid - entry.paidBefore <= grant.total, "over the total");
        entry.history.push(Payment(time, amount));
        uint256 sum = 0;
        for (uint256 i = entry.history.length; i > 0; --i) {
            if (entry.history[i - 1].time + grant.window < time) break;
            sum += entry.history[i - 1].amount;
        }
        assertTrue(sum <= grant.perWindow, "over the window");
    }
}
