// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Comparison, Condition, Grant, Rule} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {RuledTest} from "../base/RuledTest.sol";
import {Payees} from "../base/Payees.sol";
import {Chance} from "./Chance.sol";
import {ContractApprover, ContractBundler, Gang, PlainRouter, Sponsor} from "./Gang.sol";
import {Oddity, OddToken} from "./OddToken.sol";

/// Grants of all sorts, tokens of all sorts, a gang of two, and what the record says of each line of grants.
abstract contract HostileRuledWorld is RuledTest, Chance {
    uint256 internal constant LINES = 6;
    /// A line each: all functions of a token; rules and approvals; the coin by rule, counted; co-signed, with a heartbeat; the
    /// same token for another agent, sponsored; granted inside its first operation.
    uint256 internal constant FUNCTIONS = 0;
    uint256 internal constant RULES = 1;
    uint256 internal constant COIN = 2;
    uint256 internal constant COSIGNED = 3;
    uint256 internal constant SPONSORED = 4;
    uint256 internal constant INSIDE = 5;
    uint256 internal constant TOKENS = 4;

    struct Entry {
        uint256 time;
        uint256 amount;
    }

    /// A grant and all that took its place.
    struct Line {
        Grant grant;
        bytes32 policyId;
        uint256 key;
        address[] payees;
        bytes[] rules;
        /// What may take its place next.
        Grant successor;
        /// Epoch in which the owner granted it last, plus one. 0: never, or revoked.
        uint256 granted;
        /// Spent and approved, ever; and when. The window counts from `first` on: another length forgets what was older than
        /// the one before.
        uint256 spent;
        Entry[] history;
        uint256 first;
        /// When operations with calls were accepted.
        uint256[] operations;
        uint256 firstOperation;
        uint256 gas;
        bool replaced;
        bytes ownerSignature;
    }

    Line[LINES] internal lines;
    OddToken[TOKENS] internal tokens;
    Gang internal thief;
    Gang internal greedy;
    PlainRouter internal plainRouter;
    ContractApprover internal contractApprover;
    Sponsor internal sponsor;
    ContractBundler internal contractBundler;
    address internal immutable guardian = vm.addr(uint256(keccak256("guardian")));
    uint256 private _salt = 100;

    // What the owner said, as the record has it.
    bool internal isFrozen;
    uint256 internal epochTold;
    uint256 internal beaten;
    uint256 internal capAmount;
    uint256 internal capBucket;
    uint256 internal capFirst;
    /// What was spent of each asset, by all lines, and what was approved of it or pulled ever.
    mapping(address asset => Entry[]) internal historyOf;
    mapping(address asset => uint256 amount) internal authorised;
    mapping(address asset => uint256 amount) internal pulled;

    function setUp() public virtual override {
        super.setUp();
        thief = new Gang(account, entryPoint);
        greedy = new Gang(account, entryPoint);
        plainRouter = new PlainRouter();
        contractApprover = new ContractApprover();
        sponsor = new Sponsor();
        contractBundler = new ContractBundler();
        entryPoint.depositTo{value: 1 ether}(address(sponsor));
        for (uint256 i = 0; i < TOKENS; ++i) {
            tokens[i] = new OddToken(i % 2 == 0 ? thief : greedy);
            tokens[i].rebase(address(account), 1_000_000 ether);
            thief.join(tokens[i]);
            greedy.join(tokens[i]);
        }
        vm.prank(owner);
        account.setGuardian(guardian, true);
        for (uint256 i = 0; i < LINES; ++i) _open(i);
    }

    /// The cap is one over two agents.
    function cappedAsset() internal view returns (address) {
        return address(tokens[2]);
    }

    function keyOf(address agent_) internal view returns (uint256) {
        return agent_ == agent ? AGENT_KEY : OTHER_KEY;
    }

    function _open(uint256 index) private {
        Line storage line = lines[index];
        line.key = index == COIN || index == SPONSORED || index == INSIDE ? OTHER_KEY : AGENT_KEY;
        address[] memory some = Payees.some(20);
        for (uint256 j = 0; j < 3; ++j) line.payees.push(some[3 * index + j]);
        if (index <= COSIGNED) line.payees[0] = address(thief);
        if (index <= COIN) line.payees[1] = address(greedy);
        if (index == RULES || index == COIN) line.payees[2] = address(plainRouter);
        Grant memory terms;
        terms.agent = vm.addr(line.key);
        terms.asset = [
            address(tokens[0]),
            address(tokens[1]),
            address(0),
            address(tokens[2]),
            address(tokens[2]),
            address(tokens[3])
        ][index];
        terms.payees = Payees.rootOf(line.payees);
        (terms.perCall, terms.perWindow, terms.lifetime) = (3 ether, 8 ether, 60 ether);
        terms.bucket = [uint256(4 hours), 300, 301, 1 hours, 1000, 7200][index];
        terms.feeCap = 0.004 ether;
        terms.gasBudget = index == COIN || index == SPONSORED ? 0.005 ether : 0.05 ether;
        (terms.expiry, terms.salt) = (START + 60 days, index);
        _extend(terms, line, index);
        line.grant = terms;
        line.policyId = account.policyIdOf(terms);
        line.successor = changedTerms(line.grant);
        if (index == INSIDE) {
            line.ownerSignature = ownerSigns(OWNER_KEY, terms);
            return;
        }
        install(terms);
        line.granted = 1;
    }

    function _extend(Grant memory terms, Line storage line, uint256 index) private {
        if (index == FUNCTIONS) terms.extras.functions = 15;
        if (index == RULES || index == INSIDE) terms.extras.functions = 2;
        if (index == RULES || index == COIN) {
            line.rules.push(abi.encode(_swapOf(address(plainRouter), terms.asset)));
            Rule memory rule;
            (rule.target, rule.selector) = (address(greedy), greedy.swap.selector);
            line.rules.push(abi.encode(rule));
            terms.extras.rules = _above(leafOf(line.rules[0]), leafOf(line.rules[1]));
        }
        if (index == COIN) (terms.extras.operations, terms.extras.operationsPerWindow) = (5, 2);
        if (index == INSIDE) terms.extras.operationsPerWindow = 2;
        if (index == COSIGNED) {
            terms.extras.approvers = _above(_leaf(approver), _leaf(address(contractApprover)));
            (terms.extras.ceiling, terms.extras.heartbeat) = (6 ether, 2 days);
        }
        if (index == SPONSORED) terms.extras.paymaster = address(sponsor);
    }

    /// swap(the asset, at most 2, to the account), of which the amount counts.
    function _swapOf(address target, address asset) private view returns (Rule memory rule) {
        (rule.target, rule.selector) = (target, plainRouter.swap.selector);
        rule.spends = asset == address(0) ? 0 : 2;
        rule.conditions = new Condition[](3);
        rule.conditions[0] = Condition(0, Comparison.In, one(uint160(asset)));
        rule.conditions[1] = Condition(1, Comparison.AtMost, one(2 ether));
        rule.conditions[2] = Condition(2, Comparison.Self, new uint256[](0));
    }

    function leafOf(bytes memory rule) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(rule)));
    }

    function _leaf(address one_) private pure returns (bytes32) {
        return bytes32(uint256(uint160(one_)));
    }

    function _above(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(left < right ? abi.encode(left, right) : abi.encode(right, left));
    }

    /// The same limit with other amounts, in other units; sometimes with another window, or another key.
    function changedTerms(Grant memory terms) internal returns (Grant memory) {
        terms.salt = _salt++;
        uint256 tenths = 7 + pick(8);
        terms.perCall = (terms.perCall * tenths) / 10;
        terms.perWindow = (terms.perWindow * tenths) / 10;
        terms.perCall -= terms.perCall % 0.001 ether;
        terms.perWindow -= terms.perWindow % [uint256(0.001 ether), 0.1 ether][pick(2)];
        terms.lifetime = terms.lifetime - (terms.lifetime % 1 ether) + 1 ether * pick(10);
        if (pick(2) == 0) terms.bucket = 300 + pick(15_000);
        if (pick(4) == 0) terms.agent = terms.agent == agent ? other : agent;
        return terms;
    }

    // The record.

    /// What a line spent in the window that ends now, both ends included.
    function spentInWindow(Line storage line) internal view returns (uint256) {
        return _sum(line.history, line.first, 6 * line.grant.bucket);
    }

    function spentUnderCap() internal view returns (uint256) {
        return _sum(historyOf[cappedAsset()], capFirst, 6 * capBucket);
    }

    function operationsInWindow(Line storage line) internal view returns (uint256 sum) {
        uint256 window = 6 * line.grant.bucket;
        for (uint256 i = line.operations.length; i > line.firstOperation; --i) {
            if (line.operations[i - 1] + window < time) break;
            ++sum;
        }
    }

    function _sum(Entry[] storage history, uint256 first, uint256 window) private view returns (uint256 sum) {
        for (uint256 i = history.length; i > first; --i) {
            if (history[i - 1].time + window < time) break;
            sum += history[i - 1].amount;
        }
    }

    /// What is still remembered after a change of the window's length.
    function firstAfter(
        Entry[] storage history,
        uint256 first,
        uint256 window
    ) internal view returns (uint256) {
        while (first < history.length && history[first].time + window < time) ++first;
        return first;
    }

    function isLive(Line storage line) internal view returns (bool) {
        return line.granted == epochTold + 1;
    }

    function replaceLine(Line storage line) internal {
        uint256 window = 6 * line.grant.bucket;
        if (line.grant.bucket != line.successor.bucket) {
            line.first = firstAfter(line.history, line.first, window);
            while (
                line.firstOperation < line.operations.length &&
                line.operations[line.firstOperation] + window < time
            ) ++line.firstOperation;
        }
        line.grant = line.successor;
        line.key = keyOf(line.grant.agent);
        line.policyId = account.policyIdOf(line.grant);
        (line.replaced, line.granted) = (true, epochTold + 1);
        line.successor = changedTerms(line.grant);
        count("replaced");
    }

    /// A new grant after a revocation begins a new line.
    function renewLine(Line storage line) internal {
        line.grant = line.successor;
        line.key = keyOf(line.grant.agent);
        line.policyId = install(line.grant);
        line.successor = changedTerms(line.grant);
        (line.spent, line.gas, line.granted) = (0, 0, epochTold + 1);
        (line.first, line.replaced) = (line.history.length, false);
        delete line.operations;
        line.firstOperation = 0;
        count("granted anew");
    }

    /// Tokens change their ways and rebase.
    function tokensAct() internal {
        for (uint256 i = 0; i < TOKENS; ++i) {
            if (pick(3) == 0) tokens[i].become(Oddity(pick(6)));
            if (pick(4) == 0)
                tokens[i].rebase(
                    address(account),
                    [uint256(1_000_000 ether), 5_000_000 ether, 100 ether][pick(3)]
                );
        }
    }
}
