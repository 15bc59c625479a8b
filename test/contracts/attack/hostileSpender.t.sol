// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {AgentSpendGrant, ISpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {IMulticall} from "../base/SpendGrantTest.sol";
import {HostileSpenderWorld} from "./HostileSpenderWorld.sol";

/// Hostile agents, keys and keys of an account, that try anything out of what payers signed, while these stop and go on at random.
/// Whatever they do, what leaves the payers is what the grants allow, and it goes to their payees.
contract HostileSpenderTest is HostileSpenderWorld {
    uint256 private constant STEPS = 40;

    function test_attack_spendsNoMoreThanSigned(uint256 seed) public {
        _attack(seed);
        tell();
    }

    /// The attack above is not beaten at the gate.
    function test_attack_isReal() public {
        for (uint256 seed = 1; seed <= 8; ++seed) {
            delete signed_;
            (epochs[payer], epochs[walletPayer]) = (0, 0);
            size = 1000;
            setUp();
            _attack(seed);
        }
        atLeast("spent by keys", 30);
        atLeast("spent by accounts", 6);
        atLeast("calls accepted", 25);
        atLeast("calls refused", 100);
        atLeast("replaced", 10);
        atLeast("ended", 1);
        atLeast("epochs", 1);
    }

    function _attack(uint256 seed) private {
        random = seed;
        count("runs");
        for (uint256 step = 0; step < STEPS; ++step) {
            if (pick(3) == 0) jump();
            if (pick(8) == 0) _payerActs(signed_[pick(GRANTS)]);
            vm.recordLogs();
            if (pick(3) == 0) _operations();
            else _call();
            check(vm.getRecordedLogs());
        }
    }

    // The payers.

    function _payerActs(Signed storage entry) private {
        AgentSpendGrant memory grant = entry.grant;
        uint256 choice = pick(8);
        vm.prank(grant.account);
        if (choice == 0) {
            grants.revoke(digestOf(grant));
            entry.revoked = true;
            count("ended");
        } else if (choice == 1) {
            grants.revokeAll();
            ++epochs[grant.account];
            count("epochs");
        } else {
            // Another grant in its place, for the epoch of now: its counters begin at zero, and so does the record.
            entry.grant.epoch = uint64(epochs[grant.account]);
            entry.grant.salt = next();
            (entry.revoked, entry.paidBefore) = (false, entry.paid);
            delete entry.history;
            try grants.approve(entry.grant) {
                count("replaced");
            } catch {
                count("replaced too late");
            }
            if (entry.key == 0) accomplice.learn(entry.grant);
        }
    }

    // Keys.

    function _amount(AgentSpendGrant memory grant) private returns (uint256) {
        uint256 choice = pick(6);
        if (choice == 0) return grant.perCall + 1;
        if (choice == 1) return next();
        if (choice < 4) return pick(grant.perCall) + 1;
        return grant.perCall;
    }

    function _payee(AgentSpendGrant memory grant) private returns (address) {
        uint256 choice = pick(16);
        if (choice == 0) return agent;
        if (choice == 1) return address(account);
        if (choice == 2) return signed_[pick(GRANTS)].grant.payees[pick(2)];
        return grant.anyPayee ? other : grant.payees[pick(2)];
    }

    /// A grant, or one that looks like it.
    function _forged(AgentSpendGrant memory grant) private returns (AgentSpendGrant memory) {
        uint256 choice = pick(48);
        if (choice == 0) grant.perCall *= 2;
        if (choice == 1) grant.total *= 2;
        if (choice == 2) grant.payees[0] = agent;
        if (choice == 3) (grant.payees, grant.anyPayee) = (new address[](0), true);
        if (choice == 4) ++grant.epoch;
        if (choice == 5) grant.salt = next();
        if (choice == 6) grant.agent = agent;
        if (choice == 7) grant.agentKey = agent;
        if (choice == 8) grant.account = owner;
        if (choice == 9) grant.validUntil += 1 days;
        return grant;
    }

    function _calldata(uint256 index) private returns (bytes memory) {
        Signed storage entry = signed_[index];
        uint256 choice = pick(12);
        AgentSpendGrant memory grant = _forged(entry.grant);
        // Whoever made it up signs it himself, or brings what the payer signed.
        if (choice == 0)
            return
                abi.encodeCall(
                    grants.approveBySignature,
                    (grant, pick(2) == 0 ? signedBy(AGENT_KEY, grant) : signedBy(entry.signer, entry.grant))
                );
        if (choice == 1)
            return abi.encodeCall(grants.spend, (grant, _payee(grant), _amount(grant), Source.Token));
        if (choice == 2) return abi.encodeCall(grants.approve, (grant));
        if (choice == 3) return abi.encodeCall(grants.revoke, (digestOf(entry.grant)));
        uint32 size_ = pick(8) == 0 ? uint32(size) : uint32(++size);
        return
            abi.encodeCall(
                grants.spendDirectly,
                (
                    grant,
                    _payee(grant),
                    _amount(grant),
                    pick(8) == 0 ? Source.Permit2 : Source.Token,
                    size_,
                    "root"
                )
            );
    }

    function _call() private {
        if (pick(8) == 0) {
            accomplice.act();
            return;
        }
        uint256 index = pick(GRANTS);
        bytes memory data = _calldata(index);
        if (pick(4) == 0) {
            bytes[] memory calls = new bytes[](2);
            (calls[0], calls[1]) = (data, _calldata(index));
            data = abi.encodeCall(IMulticall.multicall, (calls));
        }
        // Mostly who the grant names, sometimes another.
        uint256 key = signed_[index].key;
        vm.prank(key == 0 || pick(6) == 0 ? other : vm.addr(key));
        (bool done, ) = address(grants).call(data);
        count(done ? bytes32("calls accepted") : bytes32("calls refused"));
    }

    // Keys of the account, in operations.

    function _operation() private returns (PackedUserOperation memory) {
        AgentSpendGrant memory grant = _forged(signed_[pick(4) == 0 ? pick(GRANTS) : 2 + 2 * pick(2)].grant);
        bytes memory call = spendCall(grant, _payee(grant), _amount(grant));
        bytes memory callData = pick(8) == 0 ? single(address(grants), 0, call) : batchOf(call);
        if (pick(6) == 0) return ownerOp(callData);
        uint256 key =
            pick(4) == 0
                ? (pick(2) == 0 ? AGENT_KEY : OTHER_KEY)
                : (grant.agentKey == other ? OTHER_KEY : AGENT_KEY);
        return operationOf(key, 1, callData, ISpendGrant.spend.selector);
    }

    function _operations() private {
        PackedUserOperation memory first = _operation();
        if (pick(2) == 0) {
            trySend(first);
            return;
        }
        // Another's behind it, with the same callData at times.
        PackedUserOperation memory second = pick(2) == 0 ? ownerOp(first.callData) : _operation();
        vm.prank(bundler, bundler);
        try entryPoint.handleOps(bundle(first, second), payable(bundler)) {
            count("bundles");
        } catch {
            count("bundles refused");
        }
    }
}
