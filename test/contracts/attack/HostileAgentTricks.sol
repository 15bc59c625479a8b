// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft, IEntryPointExtra} from "../base/AccountTest.sol";
import {Payees} from "../base/Payees.sol";
import {HostileAgentWorld} from "./HostileAgentWorld.sol";

/// What hostile agents sign: one operation in four hides something.
abstract contract HostileAgentTricks is HostileAgentWorld {
    function operation(uint32 lane) internal returns (PackedUserOperation memory op) {
        uint256 index = pick(LIMITS);
        Limit storage limit = limits[index];
        payees = limit.payees;
        Draft memory d = draft(limit.grant);
        d.agentKey = limit.key;
        d.kind = index == SIGNED && pick(2) == 0 ? 2 : 1;
        d.payee = pick(3);
        d.amount = _amountFor(limit);
        d.nonceKey = laneOf(limit.grant.agent, lane);
        (d.validAfter, d.span) = _claim();
        uint256 trick = pick(110); // three in four are not
        if (trick < 12) d.callData = _forbidden(limit, d, trick);
        if (trick == 12) d.kind = uint8(pick(5));
        if (trick >= 31 && trick < 36) d.kind = 3;
        if (trick == 13) d.size = [uint256(0), 1, size - 1, type(uint32).max][pick(pick(4) + 1)];
        if (trick == 14) d.terms = bytes24(uint192(d.terms) ^ uint192(1 << pick(192)));
        if (trick == 15) d.grant = _changed(limit.grant);
        if (trick == 16) d.paymasterAndData = abi.encodePacked(address(thief), new bytes(pick(3) * 16));
        if (trick == 17)
            d.nonceKey = [uint192(0), 99, laneOf(owner, 0), laneOf(address(account), 1)][pick(4)];
        if (trick == 18) d.agentKey = limit.key == AGENT_KEY ? OTHER_KEY : AGENT_KEY;
        if (d.kind == 3) d.amount = 0;

        op = unsigned(callDataOf(d), d.nonceKey);
        op.paymasterAndData = d.paymasterAndData;
        if (trick == 19)
            op.initCode = abi.encodePacked(factory, abi.encodeCall(factory.createAccount, (owner, 0)));
        if (trick == 20) op.initCode = hex"7702";
        if (trick >= 21 && trick <= 24) _costs(op);
        _signAs(op, limit, d, trick);
        whatIs[hashOf(op)] = [bytes32("kind 0"), "kind 1", "kind 2", "kind 3", "kind 4"][d.kind];
        if (trick == 27 && seen.length != 0) op = _replayed(op);
        if (trick == 28) op.signature[pick(op.signature.length)] ^= bytes1(uint8(1 << pick(8)));
        if (trick == 29) op.signature = bytes.concat(op.signature, new bytes(32 * pick(3)));
        if (trick == 30) op.signature = compact(limit.key, userOpHash(op)); // as the owner signs
    }

    function _amountFor(Limit storage limit) private returns (uint256) {
        Grant storage terms = limit.grant;
        uint256 used = inWindow(limit);
        uint256[12] memory amounts = [
            terms.perCall,
            terms.perCall,
            terms.perCall,
            terms.perCall / 3,
            terms.perCall / 2 + 1,
            terms.perCall - 1,
            terms.perCall + 1,
            terms.perWindow > used ? terms.perWindow - used : 1,
            terms.perWindow > used ? terms.perWindow - used + 1 : 2,
            terms.lifetime > limit.paid ? terms.lifetime - limit.paid : 1,
            pick(terms.perCall),
            [uint256(0), 1, type(uint256).max, 1 << 255][pick(4)]
        ];
        uint256 amount = amounts[pick(12)];
        return amount > terms.perCall && pick(6) != 0 ? terms.perCall : amount;
    }

    function _claim() private returns (uint256 validAfter, uint256 span) {
        uint256 choice = pick(40);
        if (choice == 0) return (time + pick(400), pick(301));
        if (choice == 1) return (time - 1 - pick(1000), [uint256(301), 1000, 65_535][pick(3)]);
        if (choice == 2) return (0, pick(301));
        if (choice == 3) return (type(uint32).max, pick(301));
        uint256 ago = 1 + pick(300);
        return (time - ago, ago + pick(301 - ago));
    }

    function _changed(Grant memory terms) private returns (Grant memory) {
        uint256 choice = pick(7);
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
        op.preVerificationGas = pick(9) == 0 ? type(uint256).max - pick(1_000_000) : gas[pick(6)];
        if (pick(2) == 0) op.gasFees = bytes32((price[pick(6)] << 128) | price[pick(4)]);
        if (pick(3) == 0) op.accountGasLimits = bytes32((uint256(600_000) << 128) | gas[pick(6)]);
        if (pick(6) == 0) op.accountGasLimits = bytes32((gas[pick(6)] << 128) | 300_000);
    }

    /// An operation seen before, as it was or with a new nonce.
    function _replayed(PackedUserOperation memory op) private returns (PackedUserOperation memory old) {
        old = seen[pick(seen.length)];
        if (pick(2) == 0) old.nonce = op.nonce;
    }

    /// Calls that no agent may make, as an attacker who knows the encodings would hide them.
    function _forbidden(Limit storage limit, Draft memory d, uint256 trick) private returns (bytes memory) {
        address asset = limit.grant.asset == address(0) ? address(token) : limit.grant.asset;
        address payee = payees[d.payee];
        bytes memory pay = abi.encodeCall(token.transfer, (payee, d.amount));
        bytes memory steal = abi.encodeCall(token.transfer, (limit.grant.agent, d.amount));
        if (trick == 0) {
            bytes[6] memory calls = [
                abi.encodeCall(token.approve, (address(thief), type(uint256).max)),
                abi.encodeCall(token.transferFrom, (address(account), limit.grant.agent, 1 ether)),
                steal,
                bytes.concat(pay, steal),
                abi.encodePacked(token.transfer.selector, uint96(1), payee, d.amount),
                abi.encodePacked(token.transfer.selector, uint96(0), payee)
            ];
            return single(asset, 0, calls[pick(6)]);
        }
        if (trick == 1) {
            bytes[5] memory calls = [
                abi.encodeCall(account.unfreeze, ()),
                abi.encodeCall(account.withdraw, (address(0), payable(limit.grant.agent), 1 ether)),
                abi.encodeCall(account.withdrawDeposit, (payable(limit.grant.agent), 1 ether)),
                abi.encodeCall(account.execute, (0, abi.encodePacked(asset, uint256(0), steal))),
                bytes("")
            ];
            return single(address(account), 0, calls[pick(5)]);
        }
        if (trick == 2)
            return
                single(
                    address(entryPoint),
                    pick(2),
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
            return abi.encodeCall(account.execute, (pick(2) == 0 ? BATCH : bytes32(0), abi.encode(both)));
        }
        if (trick == 7) return abi.encodeCall(account.execute, (bytes32(1 << pick(256)), packed));
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
            uint256 length = [uint256(52), 119, 121, 128, 20, 0][pick(6)];
            return abi.encodePacked(selector, bytes32(0), uint256(64), length, packed, uint64(pick(2)));
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
        return list[pick(6)];
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
        if (trick == 5) proof = pick(2) == 0 ? bytes("") : abi.encode(limit.payees[2]); // from a node up
        if (trick == 25) proof = abi.encode(next());
        if (d.kind == 3) proof = abi.encodePacked(d.grant.asset, d.grant.payees);
        if (d.kind == 2) proof = bytes.concat(proof, limit.installSignature);
        address named = trick == 26 ? other : d.grant.agent;
        op.signature = bytes.concat(
            abi.encodePacked(d.kind, named),
            compact(d.agentKey, digest(operationHash(hashOf(op), policyId, d))),
            abi.encodePacked(uint32(d.validAfter), uint16(d.span), uint32(d.size), d.root, d.terms),
            proof
        );
    }

    /// The EntryPoint has no hash for an EIP-7702 initCode where nobody delegates.
    function hashOf(PackedUserOperation memory op) internal view returns (bytes32) {
        try IEntryPointExtra(address(entryPoint)).getUserOpHash(op) returns (bytes32 hash) {
            return hash;
        } catch {
            return 0;
        }
    }
}
