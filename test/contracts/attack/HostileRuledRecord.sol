// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {IEntryPointExtra} from "../base/AccountTest.sol";
import {Log} from "../base/Vm.sol";
import {Gang} from "./Gang.sol";
import {HostileRuledWorld} from "./HostileRuledWorld.sol";
import {OddToken} from "./OddToken.sol";
import {Thief} from "./Thief.sol";

/// The owner's acts, and what left the account: read from what tokens, payees and the EntryPoint say, never from the account.
abstract contract HostileRuledRecord is HostileRuledWorld {
    enum Act {
        None,
        Freeze,
        Unfreeze,
        Revoke,
        RevokeAll,
        Grant,
        Replace,
        Cap,
        NoCap,
        Beat
    }

    struct Deed {
        Act act;
        uint256 line;
        uint256 amount;
        uint256 bucket;
        bytes call;
    }

    /// An operation that an agent signed.
    /// @param approval What it was co-signed with, if the approver really did. `spends` more than a payment: it needs it.
    struct Signed {
        bool known;
        uint256 line;
        bytes32 policyId;
        bool calls;
        bool grants;
        bytes32 approval;
    }

    error DoorWasOpen(bytes door);

    mapping(bytes32 userOpHash => Signed) internal signedOps;
    mapping(bytes32 userOpHash => Deed) internal deeds;
    mapping(bytes32 approval => bool) internal isApproved;
    mapping(bytes32 approval => bool) private _isUsed;
    mapping(bytes32 policyId => uint256) private _sizes;
    mapping(bytes32 policyId => bool) private _isOver;
    PackedUserOperation[] internal seen;

    // Of one bundle.
    mapping(uint256 line => bytes32) private _liveBefore;
    uint256[] private _committed;
    uint256 private _nextCommitted;
    uint256 private _cost;
    uint256 private _coins;
    uint256 private _direct;
    uint256 private _authorised;
    Deed private _capDeed;
    bool private _frozenBefore;
    bool private _areAlone;
    uint256 private _beatenBefore;

    // The owner.

    function someDeed() internal returns (Deed memory deed) {
        deed.act = Act(1 + pick(9));
        bool rare = deed.act == Act.Revoke || deed.act == Act.RevokeAll;
        if (rare && pick(3) != 0) deed.act = Act.Replace;
        deed.line = pick(LINES);
        deed.amount = (3 + pick(8)) * 1 ether;
        deed.bucket = [uint256(300), 1000, 1 hours][pick(3)];
        deed.call = _callOf(deed);
    }

    function _callOf(Deed memory deed) private view returns (bytes memory) {
        if (deed.act == Act.Freeze) return abi.encodeCall(account.freeze, ());
        if (deed.act == Act.Unfreeze) return abi.encodeCall(account.unfreeze, ());
        if (deed.act == Act.Revoke) return abi.encodeCall(account.revoke, (lines[deed.line].policyId));
        if (deed.act == Act.RevokeAll) return abi.encodeCall(account.revokeAll, ());
        if (deed.act == Act.Grant) return abi.encodeCall(account.grant, (lines[deed.line].grant));
        if (deed.act == Act.Replace)
            return abi.encodeCall(account.replace, (lines[deed.line].grant, lines[deed.line].successor));
        if (deed.act == Act.Cap)
            return abi.encodeCall(account.setCap, (cappedAsset(), deed.amount, deed.bucket));
        if (deed.act == Act.NoCap) return abi.encodeCall(account.setCap, (cappedAsset(), 0, 0));
        return abi.encodeCall(account.heartbeat, ());
    }

    function doDeed(Deed memory deed) internal returns (bool done) {
        vm.prank(owner);
        (done, ) = address(account).call(deed.call);
        if (!done) return false;
        _learn(deed);
        if (deed.act == Act.Cap || deed.act == Act.NoCap) _learnCap(deed);
    }

    /// What a deed that took place means. A cap waits for the end of its bundle: it counts what is validated after it.
    function _learn(Deed memory deed) private {
        Line storage line = lines[deed.line];
        if (deed.act == Act.Freeze) isFrozen = true;
        if (deed.act == Act.Unfreeze) isFrozen = false;
        if (deed.act == Act.Revoke || deed.act == Act.Replace) _isOver[line.policyId] = true;
        if (deed.act == Act.Revoke) line.granted = 0;
        if (deed.act == Act.RevokeAll) ++epochTold;
        if (deed.act == Act.Grant) line.granted = epochTold + 1;
        if (deed.act == Act.Replace) {
            uint256 size_ = line.grant.agent == line.successor.agent ? _sizes[line.policyId] : 0;
            replaceLine(line);
            _sizes[line.policyId] = size_;
        }
        if (deed.act == Act.Beat) beaten = time;
    }

    function _learnCap(Deed memory deed) private {
        if (deed.act == Act.NoCap) {
            (capAmount, capBucket) = (0, 0);
            return;
        }
        Entry[] storage history = historyOf[cappedAsset()];
        if (capBucket == 0) capFirst = history.length;
        else if (capBucket != deed.bucket) capFirst = firstAfter(history, capFirst, 6 * capBucket);
        (capAmount, capBucket) = (deed.amount, deed.bucket);
        count("caps set");
    }

    // One bundle.

    /// @param alone Each in a bundle of its own, but all in one transaction.
    function sendAll(PackedUserOperation[] memory ops, bool alone) internal returns (bool sent) {
        uint256 before = _wealth();
        (_cost, _coins, _nextCommitted) = (0, 0, 0);
        delete _committed;
        delete _capDeed;
        _areAlone = alone;
        _remember();
        vm.recordLogs();
        vm.prank(bundler, bundler);
        // A call of its own, that all of it may fail.
        (bool done, bytes memory failure) = alone
            ? address(contractBundler).call(abi.encodeCall(contractBundler.send, (entryPoint, ops)))
            : address(entryPoint).call(abi.encodeCall(entryPoint.handleOps, (ops, payable(bundler))));
        if (done) {
            _readAll(vm.getRecordedLogs());
            assertEq(_direct + _authorised, 0);
            if (_capDeed.act != Act.None) _learnCap(_capDeed);
            assertEq(_nextCommitted, _committed.length);
            assertEq(before - _wealth(), _cost + _coins);
            if (seen.length < 6) seen.push(ops[ops.length - 1]);
            else seen[pick(6)] = ops[pick(ops.length)];
            count("bundles");
            if (alone && ops.length > 1) count("bundles in one transaction");
            sent = true;
        } else {
            vm.getRecordedLogs();
            countRefusal(failure);
            assertEq(_wealth(), before);
        }
        checkPulls();
        checkHead();
    }

    /// What validation sees.
    function _remember() private {
        for (uint256 i = 0; i < LINES; ++i)
            _liveBefore[i] = isLive(lines[i]) ? lines[i].policyId : bytes32(0);
        (_frozenBefore, _beatenBefore) = (isFrozen, beaten);
    }

    function checkHead() internal view {
        assertEq(account.owner(), owner);
        assertEq(account.epoch(), epochTold);
        assertEq(account.lastHeartbeat(), beaten);
        assertTrue(account.frozen() == isFrozen, "frozen or not");
        assertTrue(account.isGuardian(guardian), "lost its guardian");
        assertTrue(!account.isGuardian(address(thief)) && !account.isGuardian(agent), "has a new guardian");
        (uint256 amount, uint256 bucket) = account.capOf(cappedAsset());
        assertTrue(amount == capAmount && bucket == capBucket, "another cap");
    }

    function _wealth() private view returns (uint256) {
        return address(account).balance + entryPoint.balanceOf(address(account));
    }

    /// What allowances were used for so far, by the tokens' own count.
    function checkPulls() internal {
        for (uint256 i = 0; i < TOKENS; ++i) {
            address asset = address(tokens[i]);
            uint256 now_ = tokens[i].pulledFrom(address(account));
            if (now_ != pulled[asset]) count("pulls");
            pulled[asset] = now_;
            assertTrue(now_ <= authorised[asset], "pulled more than approved");
        }
    }

    /// A bundle is validated before any of it is executed, with the grants inside.
    function _readGrants(Log[] memory logs) private {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IEntryPointExtra.UserOperationEvent.selector) continue;
            Signed memory op = signedOps[logs[i].topics[1]];
            if (op.grants) _grantInside(op);
        }
    }

    function _grantInside(Signed memory op) private {
        assertTrue(epochTold == 0 && lines[op.line].granted == 0, "granted twice");
        assertTrue(!_isOver[op.policyId], "granted after its end");
        assertEq(lines[op.line].policyId, op.policyId);
        lines[op.line].granted = 1;
        _liveBefore[op.line] = op.policyId;
        count("granted inside");
    }

    function _readAll(Log[] memory logs) private {
        if (!_areAlone) _readGrants(logs);
        (_direct, _authorised) = (0, 0);
        delete _touched;
        for (uint256 i = 0; i < logs.length; ++i) {
            bytes32 topic = logs[i].topics[0];
            if (topic == Thief.DoorOpen.selector) revert DoorWasOpen(logs[i].data);
            if (topic == OddToken.Moved.selector || topic == OddToken.Allowed.selector) {
                _readToken(logs[i]);
            } else if (topic == Gang.Received.selector) {
                (address from, uint256 amount) = abi.decode(logs[i].data, (address, uint256));
                if (from == address(account)) _touch(address(0), logs[i].emitter, amount);
            } else if (topic == IDecisionLog.Committed.selector && logs[i].emitter == address(log)) {
                if (logs[i].topics[1] != bytes32(uint256(uint160(address(account))))) continue;
                (uint256 size_, ) = abi.decode(logs[i].data, (uint256, bytes32));
                _committed.push(size_);
            } else if (
                topic == IEntryPointExtra.UserOperationEvent.selector &&
                logs[i].emitter == address(entryPoint)
            ) {
                _readOperation(logs[i]);
                (_direct, _authorised) = (0, 0);
                delete _touched;
            }
        }
    }

    /// Who was paid or may pull, in the operation that is being read.
    struct Touched {
        address asset;
        address who;
    }
    Touched[] private _touched;

    function _touch(address asset, address who, uint256 amount) private {
        _direct += amount;
        _touched.push(Touched(asset, who));
    }

    function _readToken(Log memory entry) private {
        (address by, address from, address to, uint256 amount) = abi.decode(
            entry.data,
            (address, address, address, uint256)
        );
        if (from != address(account)) return;
        if (entry.topics[0] == OddToken.Allowed.selector) {
            assertEq(by, address(account));
            _touch(entry.emitter, to, 0);
            _authorised += amount;
        } else if (by == address(account)) {
            _touch(entry.emitter, to, amount);
        }
    }

    function _readOperation(Log memory entry) private {
        (, bool success, uint256 cost, ) = abi.decode(entry.data, (uint256, bool, uint256, uint256));
        bool sponsored = entry.topics[3] != 0;
        if (!sponsored) _cost += cost;
        Deed storage deed = deeds[entry.topics[1]];
        if (deed.act != Act.None) {
            if (!success) return;
            assertEq(_direct + _authorised, 0);
            count("owner's operations");
            bool isCap = deed.act == Act.Cap || deed.act == Act.NoCap;
            if (isCap && _areAlone) _learnCap(deed);
            else if (isCap) _capDeed = deed;
            _learn(deed);
            if (_areAlone) _remember();
            return;
        }
        Signed memory op = signedOps[entry.topics[1]];
        assertTrue(op.known, "an operation that nobody signed");
        Line storage line = lines[op.line];
        _checkAccepted(op, line);
        if (sponsored) {
            assertEq(entry.topics[3], bytes32(uint256(uint160(line.grant.extras.paymaster))));
            count("sponsored");
        } else {
            line.gas += cost;
            assertTrue(cost <= line.grant.feeCap, "over the fee cap");
            assertTrue(line.gas <= line.grant.gasBudget, "over the gas budget");
        }
        if (!success) {
            // Whatever its calls said was undone: the record of logs has it all the same.
            count("failed or stopped");
        } else if (op.calls) {
            _checkSpent(op, line);
        }
    }

    /// What holds for whatever passes validation.
    function _checkAccepted(Signed memory op, Line storage line) private {
        count("operations");
        assertTrue(!_frozenBefore, "a frozen agent acted");
        if (op.grants && _areAlone) _grantInside(op);
        assertEq(op.policyId, _liveBefore[op.line]);
        if (line.grant.extras.heartbeat != 0)
            assertTrue(time <= _beatenBefore + line.grant.extras.heartbeat, "acted without a heartbeat");
        assertTrue(time <= line.grant.expiry, "acted after expiry");
        uint256 committed = _committed[_nextCommitted++];
        assertTrue(committed > _sizes[op.policyId], "the tree did not grow");
        _sizes[op.policyId] = committed;
        if (op.approval != 0) {
            assertTrue(isApproved[op.approval] && !_isUsed[op.approval], "an approval of nobody, or used");
            _isUsed[op.approval] = true;
            count("co-signed");
        }
        if (!op.calls) return;
        line.operations.push(time);
        uint256 most = line.grant.extras.operations;
        assertTrue(most == 0 || line.operations.length <= most, "too many operations");
        most = line.grant.extras.operationsPerWindow;
        assertTrue(most == 0 || operationsInWindow(line) <= most, "too many operations in the window");
    }

    function _checkSpent(Signed memory op, Line storage line) private {
        assertTrue(!isFrozen && isLive(line) && op.policyId == line.policyId, "executed after a stop");
        uint256 amount = _direct + _authorised;
        address asset = line.grant.asset;
        for (uint256 i = 0; i < _touched.length; ++i) {
            assertEq(_touched[i].asset, asset);
            _checkPayee(line, _touched[i].who);
        }
        if (asset == address(0)) _coins += amount;
        authorised[asset] += _authorised;
        if (amount == 0) return;
        _countSpent(op.line, line);
        uint256 most = line.grant.perCall;
        if (op.approval != 0 && line.grant.extras.ceiling > most) most = line.grant.extras.ceiling;
        assertTrue(amount <= most, "over the cap per call");
        if (amount > line.grant.perCall) count("co-signed above the cap");
        line.spent += amount;
        assertTrue(line.spent <= line.grant.lifetime, "over the lifetime cap");
        line.history.push(Entry(time, amount));
        assertTrue(spentInWindow(line) <= line.grant.perWindow, "over the window cap");
        historyOf[asset].push(Entry(time, amount));
        if (asset == cappedAsset() && capBucket != 0)
            assertTrue(spentUnderCap() <= capAmount, "over the cap of all agents");
    }

    function _countSpent(uint256 index, Line storage line) private {
        if (_direct != 0) count("payments");
        if (_authorised != 0) count("approvals of spenders");
        if (line.replaced) count("spent after a replacement");
        if (line.grant.asset == cappedAsset() && capBucket != 0) count("spent under the cap");
        count(
            [
                bytes32("line: functions"),
                "line: rules",
                "line: coin",
                "line: co-signed",
                "line: sponsored",
                "line: inside"
            ][index]
        );
        if (line.grant.asset == address(0)) return;
        count(
            [
                bytes32("token: plain"),
                "token: takes fees",
                "token: no return value",
                "token: returns false",
                "token: reverts at times",
                "token: reentrant"
            ][uint256(OddToken(line.grant.asset).oddity())]
        );
    }

    function _checkPayee(Line storage line, address who) private view {
        for (uint256 i = 0; i < line.payees.length; ++i) if (line.payees[i] == who) return;
        // A rule may send coins to a contract that is no payee; here all are.
        assertTrue(false, "paid or approved somebody else");
    }
}
