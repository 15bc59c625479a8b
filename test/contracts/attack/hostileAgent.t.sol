// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {AgentAccount} from "../../../contracts/AgentAccount.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft, IEntryPointExtra} from "../base/AccountTest.sol";
import {Payees} from "../base/Payees.sol";
import {Log} from "../base/Vm.sol";
import {Thief, ThievesToken} from "./Thief.sol";

/// Two hostile agents that sign anything, bundle it themselves and meet an owner who stops and grants at random. Whatever they
/// do, what leaves the account is what the grants allow.
contract HostileAgentTest is AccountTest {
    uint256 private constant LIMITS = 4;
    uint256 private constant STEPS = 20;
    /// The one grant that the owner only signed, in epoch 0.
    uint256 private constant SIGNED = 3;
    uint256 private constant NEVER = type(uint256).max;

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

    Limit[LIMITS] private _limits;
    Thief private _thief;
    ThievesToken private _thievesToken;
    PackedUserOperation[] private _seen;
    mapping(address agent => uint256 wei_) private _gas;
    uint256 private _random;
    uint256 private _accepted;
    uint256 private _paid;

    function setUp() public override {
        super.setUp();
        _thief = new Thief(account, entryPoint);
        _thievesToken = new ThievesToken(_thief);
        _thievesToken.mint(address(account), 1_000_000 ether);
        address[] memory all = Payees.some(12);
        for (uint256 i = 0; i < LIMITS; ++i) {
            Limit storage limit = _limits[i];
            limit.key = i == 1 ? OTHER_KEY : AGENT_KEY;
            for (uint256 j = 0; j < 3; ++j) limit.payees.push(all[3 * i + j]);
            // The thief is paid in native coin, and by his token.
            if (i >= 2) limit.payees[1] = i == 2 ? address(_thief) : limit.payees[1];
            limit.grant = Grant({
                agent: vm.addr(limit.key),
                asset: [address(token), address(token), address(0), address(_thievesToken)][i],
                payees: Payees.rootOf(limit.payees),
                perCall: [uint256(5 ether), 3 ether, 2 ether, 77][i],
                perWindow: [uint256(12 ether), 7 ether, 5 ether, 65_535][i],
                lifetime: [uint256(40 ether), 90 ether, 20 ether, 100_000][i],
                bucket: [uint256(4 hours), 300, 301, 1000][i],
                gasBudget: 0.012 ether,
                feeCap: 0.002 ether,
                expiry: START + 90 days,
                salt: i,
                extras: noExtras()
            });
            limit.policyId = account.policyIdOf(limit.grant);
            limit.installSignature = compact(
                i == SIGNED ? OWNER_KEY : limit.key,
                digest(
                    keccak256(
                        abi.encode(
                            keccak256(
                                "Install(Grant grant,uint256 epoch)Grant(address agent,address asset,bytes32 payees,uint256 perCall,uint256 perWindow,uint256 lifetime,uint256 bucket,uint256 gasBudget,uint256 feeCap,uint256 expiry,uint256 salt)"
                            ),
                            limit.policyId,
                            0
                        )
                    )
                )
            );
            if (i != SIGNED) install(limit.grant);
        }
    }

    function test_attack_leavesNoMoreThanGranted(uint256 seed) public {
        _attack(seed);
    }

    /// The attack above is not beaten at the gate: much of it is accepted.
    function test_attack_isReal() public {
        for (uint256 seed = 1; seed <= 3; ++seed) _attack(seed);
        assertTrue(_accepted > 25, string.concat("operations accepted: ", vm.toString(_accepted)));
        assertTrue(_paid > 12, string.concat("payments made: ", vm.toString(_paid)));
        assertTrue(_thief.tries() != 0, "the thief never got a call");
    }

    function _attack(uint256 seed) private {
        _random = seed;
        for (uint256 step = 0; step < STEPS; ++step) {
            if (_pick(2) == 0) _jump();
            if (_pick(account.frozen() ? 2 : 8) == 0) _ownerActs();
            _bundle();
        }
    }

    // Chance.

    function _next() private returns (uint256) {
        _random = uint256(keccak256(abi.encode(_random)));
        return _random;
    }

    function _pick(uint256 count) private returns (uint256) {
        return _next() % count;
    }

    function _jump() private {
        uint256 bucket = _limits[_pick(LIMITS)].grant.bucket;
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
        warp(time + spans[_pick(10)]);
    }

    // The owner.

    function _ownersCall() private returns (bytes memory) {
        uint256 choice = _pick(5);
        if (choice == 0) return abi.encodeCall(account.freeze, ());
        if (choice == 1) return abi.encodeCall(account.revokeAll, ());
        if (choice == 2 && _pick(3) == 0)
            return abi.encodeCall(account.revoke, (_limits[_pick(LIMITS)].policyId));
        if (choice == 3) return abi.encodeCall(account.grant, (_limits[_pick(LIMITS)].grant));
        return abi.encodeCall(account.unfreeze, ());
    }

    function _ownerActs() private {
        // After a stop, the game goes on.
        bytes[3] memory calls = [_ownersCall(), abi.encodeCall(account.unfreeze, ()), _ownersCall()];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(owner);
            (bool done, ) = address(account).call(calls[i]);
            if (done) _learn(calls[i]);
        }
        for (uint256 i = 0; i < LIMITS; ++i) {
            if (_pick(3) == 0 || _limits[i].revoked || _limits[i].epoch == account.epoch()) continue;
            vm.prank(owner);
            try account.grant(_limits[i].grant) {
                _limits[i].epoch = account.epoch();
            } catch {
                continue;
            }
        }
    }

    /// Notes what an owner's call that took place means for the limits.
    function _learn(bytes memory call) private {
        for (uint256 i = 0; i < LIMITS; ++i) {
            bytes32 hash = keccak256(call);
            if (hash == keccak256(abi.encodeCall(account.revoke, (_limits[i].policyId))))
                _limits[i].revoked = true;
            if (hash == keccak256(abi.encodeCall(account.grant, (_limits[i].grant))))
                _limits[i].epoch = account.epoch();
        }
    }

    // One bundle.

    function _bundle() private {
        bytes memory ownersCall = _pick(6) == 0 ? _ownersCall() : bytes("");
        uint256 count = 1 + _pick(3);
        PackedUserOperation[] memory ops = new PackedUserOperation[](
            count + (ownersCall.length == 0 ? 0 : 1)
        );
        for (uint256 i = ops.length - count; i < ops.length; ++i) ops[i] = _operation(uint32(i));
        if (ownersCall.length != 0) ops[0] = ownerOp(single(address(account), 0, ownersCall));
        if (_send(ops, ownersCall) || ops.length == 1) return;
        // One bad operation spoils a bundle: try each for itself.
        for (uint256 i = 0; i < ops.length; ++i)
            _send(bundle(ops[i]), ops.length - i > count ? ownersCall : bytes(""));
    }

    function _send(PackedUserOperation[] memory ops, bytes memory ownersCall) private returns (bool sent) {
        Before memory before = Before({
            wealth: _wealth(),
            token: token.balanceOf(address(account)),
            thieves: _thievesToken.balanceOf(address(account)),
            frozen: account.frozen(),
            epoch: account.epoch()
        });
        vm.recordLogs();
        vm.prank(bundler, bundler);
        try entryPoint.handleOps(ops, payable(bundler)) {
            if (_seen.length < 4) _seen.push(ops[ops.length - 1]);
            bool ownerActed = _readEvents(vm.getRecordedLogs(), before);
            _checkMoney(before, ownerActed ? ownersCall : bytes(""));
            if (ownerActed) _learn(ownersCall);
            sent = true;
        } catch {
            vm.getRecordedLogs();
            assertEq(_wealth(), before.wealth);
        }
        assertEq(account.owner(), owner);
        assertEq(token.allowance(address(account), agent), 0);
        assertEq(token.allowance(address(account), address(_thief)), 0);
    }

    function _wealth() private view returns (uint256) {
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
            if (logs[i].topics[0] != IEntryPointExtra.UserOperationEvent.selector) continue;
            (uint256 nonce, bool success, uint256 cost, ) = abi.decode(
                logs[i].data,
                (uint256, bool, uint256, uint256)
            );
            before.wealth -= cost;
            address lane = address(uint160(nonce >> 64));
            if (lane == address(99)) {
                ownerActed = success;
                continue;
            }
            assertTrue(!before.frozen, "a frozen agent acted");
            assertTrue(lane == agent || lane == other, "a lane of nobody");
            assertTrue(cost <= _limits[0].grant.feeCap, "over the fee cap");
            _gas[lane] += cost;
            ++_accepted;
            assertTrue(commitments != 0, "no decision, yet an operation");
            --commitments;
        }
        assertEq(commitments, 0);
        assertTrue(_gas[agent] <= 3 * 0.012 ether, "over the gas budgets");
        assertTrue(_gas[other] <= 0.012 ether, "over the gas budget");
    }

    function _checkMoney(Before memory before, bytes memory ownersCall) private {
        uint256[LIMITS] memory paid;
        bool stopped =
            keccak256(ownersCall) == keccak256(abi.encodeCall(account.freeze, ())) ||
                keccak256(ownersCall) == keccak256(abi.encodeCall(account.revokeAll, ()));
        for (uint256 i = 0; i < LIMITS; ++i) {
            Limit storage limit = _limits[i];
            uint256 received = _received(limit);
            paid[i] = received - limit.received;
            limit.received = received;
            if (paid[i] == 0) continue;
            ++_paid;
            assertTrue(!stopped && !before.frozen, "paid after a stop");
            assertTrue(!limit.revoked && limit.epoch == before.epoch, "paid without a grant");
            assertTrue(
                keccak256(ownersCall) != keccak256(abi.encodeCall(account.revoke, (limit.policyId))),
                "paid after a revocation in the bundle"
            );
            assertTrue(time <= limit.grant.expiry, "paid after expiry");
            assertTrue(paid[i] <= 3 * limit.grant.perCall, "over the caps per call");
            limit.paid += paid[i];
            assertTrue(limit.paid <= limit.grant.lifetime, "over the lifetime cap");
            limit.history.push(Payment(time, paid[i]));
            assertTrue(_inWindow(limit) <= limit.grant.perWindow, "over the window cap");
        }
        // All that left, left to payees.
        assertEq(before.token - token.balanceOf(address(account)), paid[0] + paid[1]);
        assertEq(before.wealth - _wealth(), paid[2]);
        assertEq(before.thieves - _thievesToken.balanceOf(address(account)), paid[3]);
    }

    function _received(Limit storage limit) private view returns (uint256 sum) {
        address asset = limit.grant.asset;
        for (uint256 i = 0; i < limit.payees.length; ++i) {
            address payee = limit.payees[i];
            sum += asset == address(0) ? payee.balance : IERC20(asset).balanceOf(payee);
        }
    }

    /// What was paid in the window that ends now, both ends included.
    function _inWindow(Limit storage limit) private view returns (uint256 sum) {
        uint256 window = 6 * limit.grant.bucket;
        for (uint256 i = limit.history.length; i > 0; --i) {
            Payment storage payment = limit.history[i - 1];
            if (payment.time + window < time) break;
            sum += payment.amount;
        }
    }

    // One operation.

    function _operation(uint32 lane) private returns (PackedUserOperation memory op) {
        uint256 index = _pick(LIMITS);
        Limit storage limit = _limits[index];
        payees = limit.payees;
        Draft memory d = draft(limit.grant);
        d.agentKey = limit.key;
        d.kind = index == SIGNED && _pick(2) == 0 ? 2 : 1;
        d.payee = _pick(3);
        d.amount = _amount(limit);
        d.nonceKey = laneOf(limit.grant.agent, lane);
        (d.validAfter, d.span) = _claim();
        uint256 trick = _pick(110); // three in four are not
        if (trick < 12) d.callData = _call(limit, d, trick);
        if (trick == 12) d.kind = uint8(_pick(5));
        if (trick == 13) d.size = [uint256(0), 1, size - 1, type(uint32).max][_pick(_pick(4) + 1)];
        if (trick == 14) d.terms = bytes24(uint192(d.terms) ^ uint192(1 << _pick(192)));
        if (trick == 15) d.grant = _changed(limit.grant);
        if (trick == 16) d.paymasterAndData = abi.encodePacked(address(_thief), new bytes(_pick(3) * 16));
        if (trick == 17)
            d.nonceKey = [uint192(0), 99, laneOf(owner, 0), laneOf(address(account), 1)][_pick(4)];
        if (trick == 18) d.agentKey = limit.key == AGENT_KEY ? OTHER_KEY : AGENT_KEY;
        if (d.kind == 3) d.amount = 0;

        op = unsigned(callDataOf(d), d.nonceKey);
        op.paymasterAndData = d.paymasterAndData;
        if (trick == 19)
            op.initCode = abi.encodePacked(factory, abi.encodeCall(factory.createAccount, (owner, 0)));
        if (trick == 20) op.initCode = hex"7702";
        if (trick >= 21 && trick <= 24) _costs(op);
        _signAs(op, limit, d, trick);
        if (trick == 27 && _seen.length != 0) op = _replayed(op);
        if (trick == 28) op.signature[_pick(op.signature.length)] ^= bytes1(uint8(1 << _pick(8)));
        if (trick == 29) op.signature = bytes.concat(op.signature, new bytes(32 * _pick(3)));
        if (trick == 30) op.signature = compact(limit.key, userOpHash(op)); // as the owner signs
    }

    function _amount(Limit storage limit) private returns (uint256) {
        Grant storage terms = limit.grant;
        uint256 used = _inWindow(limit);
        uint256[12] memory amounts = [
            terms.perCall,
            terms.perCall,
            terms.perCall,
            terms.perCall / 3,
            terms.perCall / 2 + 1,
            terms.perCall - 1,
            terms.perCall + 1,
            terms.perWindow > used ? terms.perWindow - used : 1,
            terms.perWindow - used + 1,
            terms.lifetime - limit.paid,
            _pick(terms.perCall),
            [uint256(0), 1, type(uint256).max, 1 << 255][_pick(4)]
        ];
        uint256 amount = amounts[_pick(12)];
        return amount > terms.perCall && _pick(6) != 0 ? terms.perCall : amount;
    }

    function _claim() private returns (uint256 validAfter, uint256 span) {
        uint256 choice = _pick(40);
        if (choice == 0) return (time + _pick(400), _pick(301));
        if (choice == 1) return (time - 1 - _pick(1000), [uint256(301), 1000, 65_535][_pick(3)]);
        if (choice == 2) return (0, _pick(301));
        if (choice == 3) return (type(uint32).max, _pick(301));
        uint256 ago = 1 + _pick(300);
        return (time - ago, ago + _pick(301 - ago));
    }

    function _changed(Grant memory terms) private returns (Grant memory) {
        uint256 choice = _pick(7);
        if (choice == 0) terms.perCall *= 2;
        if (choice == 1) terms.perWindow *= 2;
        if (choice == 2) terms.lifetime *= 2;
        if (choice == 3) terms.payees = bytes32(uint256(uint160(terms.agent)));
        if (choice == 4) terms.feeCap *= 2;
        if (choice == 5) terms.asset = address(account);
        if (choice == 6) terms.salt += 1;
        return terms;
    }

    /// Extreme fees and limits: deposits are drained by these, if by anything.
    function _costs(PackedUserOperation memory op) private {
        uint256[6] memory gas = [uint256(0), 1, 2_500_000, 300_000, 1_400_000, type(uint120).max];
        uint256[6] memory price = [uint256(0), 1, GAS_PRICE, 3 * GAS_PRICE, 1 ether, type(uint128).max];
        op.preVerificationGas = _pick(9) == 0 ? type(uint256).max - _pick(1_000_000) : gas[_pick(6)];
        if (_pick(2) == 0) op.gasFees = bytes32((price[_pick(6)] << 128) | price[_pick(4)]);
        if (_pick(3) == 0) op.accountGasLimits = bytes32((uint256(600_000) << 128) | gas[_pick(6)]);
        if (_pick(6) == 0) op.accountGasLimits = bytes32((gas[_pick(6)] << 128) | 300_000);
    }

    /// An operation seen before, as it was or with a new nonce.
    function _replayed(PackedUserOperation memory op) private returns (PackedUserOperation memory old) {
        old = _seen[_pick(_seen.length)];
        if (_pick(2) == 0) old.nonce = op.nonce;
    }

    /// Calls that no agent may make, as an attacker who knows the encodings would hide them.
    function _call(Limit storage limit, Draft memory d, uint256 trick) private returns (bytes memory) {
        address asset = limit.grant.asset == address(0) ? address(token) : limit.grant.asset;
        address payee = payees[d.payee];
        bytes memory pay = abi.encodeCall(token.transfer, (payee, d.amount));
        bytes memory steal = abi.encodeCall(token.transfer, (limit.grant.agent, d.amount));
        if (trick == 0) {
            bytes[6] memory calls = [
                abi.encodeCall(token.approve, (address(_thief), type(uint256).max)),
                abi.encodeCall(token.transferFrom, (address(account), limit.grant.agent, 1 ether)),
                steal,
                bytes.concat(pay, steal),
                abi.encodePacked(token.transfer.selector, uint96(1), payee, d.amount),
                abi.encodePacked(token.transfer.selector, uint96(0), payee)
            ];
            return single(asset, 0, calls[_pick(6)]);
        }
        if (trick == 1) {
            bytes[5] memory calls = [
                abi.encodeCall(account.unfreeze, ()),
                abi.encodeCall(account.withdraw, (address(0), payable(limit.grant.agent), 1 ether)),
                abi.encodeCall(account.withdrawDeposit, (payable(limit.grant.agent), 1 ether)),
                abi.encodeCall(account.execute, (0, abi.encodePacked(asset, uint256(0), steal))),
                bytes("")
            ];
            return single(address(account), 0, calls[_pick(5)]);
        }
        if (trick == 2)
            return
                single(
                    address(entryPoint),
                    _pick(2),
                    abi.encodeCall(entryPoint.withdrawTo, (payable(other), 1))
                );
        if (trick == 3) return single(asset, 1 ether, pay); // value smuggled
        if (trick == 4) return single(payee, d.amount, hex"00"); // data smuggled
        if (trick == 5) return single(_nobody(limit), d.amount, "");
        bytes memory packed = abi.encodePacked(asset, uint256(0), pay);
        bytes4 selector = account.execute.selector;
        if (trick == 6) {
            Execution[] memory both = new Execution[](2);
            both[0] = Execution(asset, 0, pay);
            both[1] = Execution(asset, 0, steal);
            return abi.encodeCall(account.execute, (_pick(2) == 0 ? BATCH : bytes32(0), abi.encode(both)));
        }
        if (trick == 7) return abi.encodeCall(account.execute, (bytes32(1 << _pick(256)), packed));
        if (trick == 8) {
            // What is checked lies where it should; the offset points to what would be executed.
            bytes memory evil = abi.encodePacked(asset, uint256(0), steal);
            return
                abi.encodePacked(
                    selector,
                    bytes32(0),
                    uint256(64 + 32 + 128),
                    uint256(120),
                    packed,
                    uint64(0),
                    uint256(120),
                    evil,
                    uint64(0)
                );
        }
        if (trick == 9) {
            // Other lengths, with or without the padding that belongs to them.
            uint256 length = [uint256(52), 119, 121, 128, 20, 0][_pick(6)];
            return abi.encodePacked(selector, bytes32(0), uint256(64), length, packed, uint64(_pick(2)));
        }
        if (trick == 10)
            return bytes.concat(single(asset, 0, pay), abi.encodePacked(asset, uint256(0), steal));
        // ERC-4337's own entry, which would hand the operation over.
        return bytes.concat(hex"8dd7712f", single(asset, 0, steal));
    }

    /// Somebody who is not a payee, also such as could be taken for one.
    function _nobody(Limit storage limit) private returns (address) {
        address[6] memory list = [
            address(account),
            address(entryPoint),
            address(0),
            limit.grant.agent,
            address(uint160(uint256(limit.grant.payees))),
            address(uint160(uint256(_firstNode(limit))))
        ];
        return list[_pick(6)];
    }

    function _firstNode(Limit storage limit) private view returns (bytes32) {
        address[] memory pair = new address[](2);
        (pair[0], pair[1]) = (limit.payees[0], limit.payees[1]);
        return Payees.rootOf(pair);
    }

    /// Signs for the policy as it was granted, whatever the operation says; the owner's part is what he once signed.
    function _signAs(
        PackedUserOperation memory op,
        Limit storage limit,
        Draft memory d,
        uint256 trick
    ) private {
        bytes32 policyId = trick == 15 ? account.policyIdOf(d.grant) : limit.policyId;
        bytes memory proof = Payees.proofOf(payees, d.payee);
        if (trick == 5) proof = _pick(2) == 0 ? bytes("") : abi.encode(limit.payees[2]); // from a node up
        if (trick == 25) proof = abi.encode(_next());
        if (d.kind == 3) proof = abi.encodePacked(d.grant.asset, d.grant.payees);
        if (d.kind == 2) proof = bytes.concat(proof, limit.installSignature);
        address named = trick == 26 ? other : d.grant.agent;
        op.signature = bytes.concat(
            abi.encodePacked(d.kind, named),
            compact(d.agentKey, digest(operationHash(_hashOf(op), policyId, d))),
            abi.encodePacked(uint32(d.validAfter), uint16(d.span), uint32(d.size), d.root, d.terms),
            proof
        );
    }

    /// The EntryPoint has no hash for an EIP-7702 initCode where nobody delegates.
    function _hashOf(PackedUserOperation memory op) private view returns (bytes32) {
        try IEntryPointExtra(address(entryPoint)).getUserOpHash(op) returns (bytes32 hash) {
            return hash;
        } catch {
            return 0;
        }
    }
}
