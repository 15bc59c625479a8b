// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEntryPoint, PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AgentAccountFactory} from "../../../contracts/AgentAccountFactory.sol";
import {DecisionLog} from "../../../contracts/DecisionLog.sol";
import {DemoToken} from "../../../contracts/demo/DemoToken.sol";
import {Extras, Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Payees} from "./Payees.sol";
import {Test} from "./Test.sol";
import {Log} from "./Vm.sol";

/// Parts of the EntryPoint that OpenZeppelin's interface leaves out.
interface IEntryPointExtra {
    event UserOperationEvent(
        bytes32 indexed userOpHash,
        address indexed sender,
        address indexed paymaster,
        uint256 nonce,
        bool success,
        uint256 actualGasCost,
        uint256 actualGasUsed
    );

    function getUserOpHash(PackedUserOperation calldata userOp) external view returns (bytes32);
}

/// An agent's operation before it is signed: tests change the field they are about.
struct Draft {
    Grant grant;
    bytes24 terms;
    uint8 kind;
    uint256 agentKey;
    uint256 payee;
    uint256 amount;
    uint256 validAfter;
    uint256 span;
    uint256 size;
    bytes32 root;
    uint256 ownerKey;
    uint256 epoch;
    bytes callData;
    bytes paymasterAndData;
    uint192 nonceKey;
}

/// A real EntryPoint 0.8, an account with money, an owner, an agent and the standard policy.
abstract contract AccountTest is Test {
    uint256 internal constant OWNER_KEY = uint256(keccak256("owner"));
    uint256 internal constant AGENT_KEY = uint256(keccak256("agent"));
    uint256 internal constant OTHER_KEY = uint256(keccak256("other"));
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant BUCKET = 4 hours;
    uint256 internal constant GAS_PRICE = 1 gwei;
    bytes32 internal constant BATCH = bytes32(bytes1(0x01));

    address internal immutable owner = vm.addr(OWNER_KEY);
    address internal immutable agent = vm.addr(AGENT_KEY);
    address internal immutable other = vm.addr(OTHER_KEY);
    address internal immutable bundler = vm.addr(uint256(keccak256("bundler")));

    IEntryPoint internal entryPoint;
    DecisionLog internal log;
    AgentAccountFactory internal factory;
    IAgentAccount internal account;
    DemoToken internal token;
    address[] internal payees;
    uint256 internal size = 1000;
    uint256 internal time;

    function setUp() public virtual {
        warp(START);
        entryPoint = newEntryPoint(entryPointPackage());
        log = DecisionLog(deploy(codeOf("artifacts/contracts/DecisionLog.sol/DecisionLog.json")));
        factory = newFactory();
        account = IAgentAccount(factory.createAccount(owner, 0));
        token = DemoToken(deploy(codeOf("artifacts/contracts/demo/DemoToken.sol/DemoToken.json")));
        token.mint(address(account), 1_000_000 ether);
        vm.deal(address(account), 1000 ether);
        vm.deal(bundler, 1000 ether);
        entryPoint.depositTo{value: 100 ether}(address(account));
        payees = Payees.some(8);
    }

    /// Sets the time. Tests read `time`: the optimizer takes block.timestamp for a constant within one call.
    function warp(uint256 to) internal {
        time = to;
        vm.warp(to);
    }

    /// npm package with the EntryPoint that the test runs on.
    function entryPointPackage() internal view virtual returns (string memory) {
        return "@account-abstraction/contracts";
    }

    /// The real EntryPoint, whose sources (GPL) are run from their artifact only.
    function newEntryPoint(string memory package) internal returns (IEntryPoint) {
        return
            IEntryPoint(
                deploy(codeOf(string.concat("node_modules/", package, "/artifacts/EntryPoint.json")))
            );
    }

    /// The account from its artifact: so that a change of the account doesn't compile every test anew.
    function newImplementation(address entryPoint_, address log_) internal returns (IAgentAccount) {
        bytes memory code = codeOf("artifacts/contracts/AgentAccount.sol/AgentAccount.json");
        return IAgentAccount(deploy(bytes.concat(code, abi.encode(entryPoint_, log_))));
    }

    function newFactory() internal returns (AgentAccountFactory) {
        bytes memory code = codeOf("artifacts/contracts/AgentAccountFactory.sol/AgentAccountFactory.json");
        IAgentAccount implementation = newImplementation(address(entryPoint), address(log));
        return AgentAccountFactory(deploy(bytes.concat(code, abi.encode(implementation))));
    }

    // Grants.

    /// The standard policy: 5 per call, 50 per window of a day, 1000 in all, 10 units of gas budget, 8 payees.
    function standardGrant() internal view returns (Grant memory) {
        return
            Grant({
                agent: agent,
                asset: address(token),
                payees: Payees.rootOf(payees),
                perCall: 5 ether,
                perWindow: 50 ether,
                lifetime: 1000 ether,
                bucket: BUCKET,
                gasBudget: 10 ether,
                feeCap: 0.002 ether,
                expiry: START + 365 days,
                salt: 1,
                extras: noExtras()
            });
    }

    function noExtras() internal pure returns (Extras memory extras) {}

    function install(Grant memory terms) internal virtual returns (bytes32 policyId) {
        vm.prank(owner);
        return account.grant(terms);
    }

    function policyIdOf(Grant memory terms) internal view virtual returns (bytes32) {
        return account.policyIdOf(terms);
    }

    function termsOf(Grant memory terms) internal view virtual returns (bytes24) {
        return account.termsOf(terms);
    }

    function epochNow() internal view virtual returns (uint256) {
        return account.epoch();
    }

    // Operations.

    function draft(Grant memory terms) internal returns (Draft memory d) {
        d.grant = terms;
        d.terms = termsOf(terms);
        d.kind = 1;
        d.agentKey = AGENT_KEY;
        d.payee = 3;
        d.amount = 1.234567890123456789 ether;
        d.validAfter = time - 60;
        d.span = 300;
        d.size = ++size;
        d.root = keccak256(abi.encode("root", size));
        d.ownerKey = OWNER_KEY;
        d.epoch = epochNow();
        d.nonceKey = laneOf(terms.agent, 0);
    }

    /// One of the 2^32 nonce keys of an agent.
    function laneOf(address agent_, uint32 number) internal view virtual returns (uint192) {
        return (uint192(number) << 160) | uint160(agent_);
    }

    function callDataOf(Draft memory d) internal view returns (bytes memory) {
        if (d.callData.length != 0) return d.callData;
        if (d.kind == 3) return "";
        address payee = payees[d.payee];
        return
            d.grant.asset == address(0)
                ? single(payee, d.amount, "")
                : single(d.grant.asset, 0, abi.encodeCall(token.transfer, (payee, d.amount)));
    }

    function single(address target, uint256 value, bytes memory data) internal view returns (bytes memory) {
        return abi.encodeCall(account.execute, (bytes32(0), abi.encodePacked(target, value, data)));
    }

    function unsigned(
        bytes memory callData,
        uint192 nonceKey
    ) internal view returns (PackedUserOperation memory op) {
        op.sender = address(account);
        op.nonce = entryPoint.getNonce(address(account), nonceKey);
        op.callData = callData;
        op.accountGasLimits = bytes32((uint256(600_000) << 128) | 300_000);
        op.gasFees = bytes32((GAS_PRICE << 128) | GAS_PRICE);
    }

    function build(Draft memory d) internal view returns (PackedUserOperation memory op) {
        op = unsigned(callDataOf(d), d.nonceKey);
        op.paymasterAndData = d.paymasterAndData;
        sign(op, d);
    }

    function sign(PackedUserOperation memory op, Draft memory d) internal view {
        bytes32 policyId = policyIdOf(d.grant);
        op.signature = bytes.concat(
            abi.encodePacked(d.kind, d.grant.agent),
            compact(d.agentKey, digest(operationHash(userOpHash(op), policyId, d))),
            abi.encodePacked(uint32(d.validAfter), uint16(d.span), uint32(d.size), d.root, d.terms),
            tail(d, policyId)
        );
    }

    function tail(Draft memory d, bytes32 policyId) internal view returns (bytes memory) {
        if (d.kind == 3) return abi.encodePacked(d.grant.asset, d.grant.payees);
        bytes memory proof = Payees.proofOf(payees, d.payee);
        if (d.kind == 1) return proof;
        return bytes.concat(proof, compact(d.ownerKey, digest(installHash(policyId, d.epoch))));
    }

    /// hashStruct(Install).
    function installHash(bytes32 policyId, uint256 epoch) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "Install(Grant grant,uint256 epoch)Extras(bytes32 rules,uint256 functions,bytes32 approvers,uint256 ceiling,uint256 operations,uint256 operationsPerWindow,address paymaster,uint256 heartbeat)Grant(address agent,address asset,bytes32 payees,uint256 perCall,uint256 perWindow,uint256 lifetime,uint256 bucket,uint256 gasBudget,uint256 feeCap,uint256 expiry,uint256 salt,Extras extras)"
                    ),
                    policyId,
                    epoch
                )
            );
    }

    function operationHash(bytes32 opHash, bytes32 policyId, Draft memory d) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "Operation(bytes32 userOpHash,bytes32 policyId,uint256 validAfter,uint256 validUntil,uint256 size,bytes32 root)"
                    ),
                    opHash,
                    policyId,
                    d.validAfter,
                    d.validAfter + d.span,
                    d.size,
                    d.root
                )
            );
    }

    function userOpHash(PackedUserOperation memory op) internal view returns (bytes32) {
        return IEntryPointExtra(address(entryPoint)).getUserOpHash(op);
    }

    function digest(bytes32 structHash) internal view virtual returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Bursar"),
                keccak256("1"),
                block.chainid,
                address(account)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    /// EIP-2098.
    function compact(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encode(r, uint256(s) | (uint256(v - 27) << 255));
    }

    function ownerOp(bytes memory callData) internal view returns (PackedUserOperation memory op) {
        op = unsigned(callData, 99);
        op.signature = compact(OWNER_KEY, userOpHash(op));
    }

    // Sending.

    function bundle(PackedUserOperation memory op) internal pure returns (PackedUserOperation[] memory ops) {
        ops = new PackedUserOperation[](1);
        ops[0] = op;
    }

    function bundle(
        PackedUserOperation memory first,
        PackedUserOperation memory second
    ) internal pure returns (PackedUserOperation[] memory ops) {
        ops = new PackedUserOperation[](2);
        (ops[0], ops[1]) = (first, second);
    }

    /// Runs a bundle; whether each operation's execution succeeded.
    function send(PackedUserOperation[] memory ops) internal returns (bool[] memory success) {
        vm.recordLogs();
        vm.prank(bundler, bundler);
        entryPoint.handleOps(ops, payable(bundler));
        Log[] memory logs = vm.getRecordedLogs();
        success = new bool[](ops.length);
        uint256 n = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IEntryPointExtra.UserOperationEvent.selector) continue;
            (, success[n++], , ) = abi.decode(logs[i].data, (uint256, bool, uint256, uint256));
        }
    }

    function send(PackedUserOperation memory op) internal {
        assertTrue(send(bundle(op))[0], "execution failed");
    }

    function send(Draft memory d) internal {
        send(build(d));
    }

    /// Tries a bundle of one; whether it was accepted.
    function trySend(PackedUserOperation memory op) internal returns (bool accepted) {
        vm.prank(bundler, bundler);
        try entryPoint.handleOps(bundle(op), payable(bundler)) {
            return true;
        } catch {
            return false;
        }
    }

    /// Sends an operation that the account has to refuse with this very error.
    function refused(PackedUserOperation memory op, bytes memory reason) internal {
        refused(bundle(op), 0, reason);
    }

    function refused(PackedUserOperation[] memory ops, uint256 index, bytes memory reason) internal {
        vm.expectRevert(
            abi.encodeWithSelector(IEntryPoint.FailedOpWithRevert.selector, index, "AA23 reverted", reason)
        );
        vm.prank(bundler, bundler);
        entryPoint.handleOps(ops, payable(bundler));
    }

    function refused(Draft memory d, bytes memory reason) internal {
        refused(build(d), reason);
    }

    /// Sends an operation that has to fail for its signature.
    function unsignedRefused(PackedUserOperation memory op) internal {
        entryPointRefused(op, "AA24 signature error");
    }

    /// Sends an operation that the EntryPoint itself has to refuse.
    function entryPointRefused(PackedUserOperation memory op, string memory reason) internal {
        vm.expectRevert(abi.encodeWithSelector(IEntryPoint.FailedOp.selector, 0, reason));
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
    }

    function notGranted(Grant memory terms) internal view returns (bytes memory) {
        return abi.encodeWithSelector(ISpendPolicy.NotGranted.selector, policyIdOf(terms));
    }

    function notOwner(address caller) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(ISpendPolicy.NotOwner.selector, caller);
    }
}
