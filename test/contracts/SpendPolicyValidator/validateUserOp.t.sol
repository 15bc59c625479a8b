// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Grant, ISpendPolicy, Status, Usage} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {Payees} from "../base/Payees.sol";
import {IOzAccount, ValidatorTest} from "../base/ValidatorTest.sol";

/// The law through the module: each limit, on an account without and one with the hook.
contract ValidateUserOpTest is ValidatorTest {
    uint256 private constant UNIT = 1e15;
    uint256 private constant FEE = 900_000 * GAS_PRICE;
    uint256 private constant EDGE = (START / BUCKET) * BUCKET + BUCKET;

    function _over(bytes4 selector, uint256 actual, uint256 allowed) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, actual, allowed);
    }

    modifier both() {
        uint256 start = time;
        _;
        warp(start);
        use(bare);
        _;
    }

    function _pay(Grant memory terms, uint256 amount) private returns (Draft memory d) {
        d = draft(terms);
        d.amount = amount;
        d.validAfter = time - 1;
    }

    function test_validateUserOp_pays() public both {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        uint256 before = token.balanceOf(payees[3]);
        Draft memory d = draft(terms);
        send(d);
        assertEq(token.balanceOf(payees[3]), before + d.amount);
        Usage memory used = module.usage(address(account), policyId);
        assertTrue(used.status == Status.Granted, "status");
        assertEq(used.size, d.size);
        assertEq(used.spent, (d.amount + UNIT - 1) / UNIT);
        assertEq(used.gasSpent, FEE / 1e12);
    }

    function test_validateUserOp_paysNative() public both {
        Grant memory terms = standardGrant();
        terms.asset = address(0);
        install(terms);
        uint256 before = payees[3].balance;
        Draft memory d = draft(terms);
        send(d);
        assertEq(payees[3].balance, before + d.amount);
    }

    function test_validateUserOp_commitsDecision() public {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        PackedUserOperation memory op = build(d);
        vm.expectEmit(address(log));
        emit IDecisionLog.Committed(address(module), address(account), agent, d.size, d.root);
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
    }

    function test_validateUserOp_empty() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.kind = 3;
        send(build(d));
        assertEq(module.usage(address(account), policyIdOf(d.grant)).size, d.size);
    }

    // The prototype's refusals; those of grants inside, signatures and bundles are in files of their own.

    function test_validateUserOp_reverts_claimTooLong() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.span = 301;
        refused(d, _over(ISpendPolicy.ClaimTooLong.selector, 301, 300));
    }

    function test_validateUserOp_reverts_paymaster() public both {
        install(standardGrant());
        entryPoint.depositTo{value: 1 ether}(address(this));
        Draft memory d = draft(standardGrant());
        d.paymasterAndData = abi.encodePacked(address(this), uint128(100_000), uint128(0));
        refused(d, abi.encodeWithSelector(ISpendPolicy.PaymasterNotAllowed.selector, address(this)));
    }

    function test_validateUserOp_reverts_overPerCall() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.amount = 5 ether + 1;
        refused(d, _over(ISpendPolicy.OverPerCall.selector, 5 ether + 1, 5 ether));
        d.amount = 5 ether;
        send(d);
    }

    /// The proof of a payee leads to another root for anybody else: a policy that nobody granted.
    function test_validateUserOp_reverts_otherPayee() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.callData = single(address(token), 0, abi.encodeCall(token.transfer, (other, 1)));
        PackedUserOperation memory op = build(d);
        Grant memory asked = standardGrant();
        asked.payees = _rootWith(other, 3);
        refused(op, notGranted(asked));
    }

    /// Root that the proof of payee `index` leads to from another leaf.
    function _rootWith(address leaf, uint256 index) private view returns (bytes32) {
        address[] memory list = new address[](payees.length);
        for (uint256 i = 0; i < list.length; ++i) list[i] = i == index ? leaf : payees[i];
        return Payees.rootOf(list);
    }

    function test_validateUserOp_reverts_staleSize() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        send(d);
        Draft memory stale = draft(standardGrant());
        stale.size = d.size;
        refused(stale, _over(ISpendPolicy.StaleSize.selector, d.size, d.size));
        stale.size = d.size - 1;
        refused(stale, _over(ISpendPolicy.StaleSize.selector, d.size - 1, d.size));
    }

    function test_validateUserOp_fails_otherKey() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.agentKey = OTHER_KEY;
        unsignedRefused(build(d));
        // Not even the owner signs for an agent.
        d.agentKey = OWNER_KEY;
        unsignedRefused(build(d));
    }

    /// A plain grant's short signature allows no batch, nor a try, nor a delegatecall.
    function test_validateUserOp_reverts_otherModes() public both {
        install(standardGrant());
        Execution[] memory calls = new Execution[](1);
        calls[0] = Execution(address(token), 0, abi.encodeCall(token.transfer, (payees[3], 1)));
        bytes memory execution = abi.encodePacked(
            address(token),
            uint256(0),
            abi.encodeCall(token.transfer, (payees[3], 1))
        );
        bytes[4] memory callDatas = [
            abi.encodeCall(account.execute, (BATCH, abi.encode(calls))),
            abi.encodeCall(account.execute, (BATCH, execution)),
            abi.encodeCall(account.execute, (bytes32(bytes2(0x0001)), execution)),
            abi.encodeCall(account.execute, (bytes32(bytes1(0xff)), execution))
        ];
        for (uint256 i = 0; i < callDatas.length; ++i) {
            Draft memory d = draft(standardGrant());
            d.callData = callDatas[i];
            refused(d, abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector));
        }
    }

    function test_validateUserOp_reverts_approve() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.callData = single(address(token), 0, abi.encodeCall(token.approve, (payees[3], 1)));
        refused(d, abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector));
    }

    function test_validateUserOp_reverts_ownPartsAsPayees() public both {
        address[6] memory own = [
            address(account),
            address(module),
            address(log),
            address(0x70),
            address(entryPoint),
            address(0x90)
        ];
        for (uint256 i = 0; i < own.length; ++i) {
            address before = payees[3];
            payees[3] = own[i];
            Grant memory terms = standardGrant();
            terms.asset = address(0);
            install(terms);
            refused(draft(terms), abi.encodeWithSelector(ISpendPolicy.PayeeNotAllowed.selector, own[i]));
            payees[3] = before;
        }
    }

    /// Modules can't be installed, and no other function of the account called, by an agent.
    function test_validateUserOp_reverts_otherFunctions() public both {
        install(standardGrant());
        bytes memory payment = callDataOf(draft(standardGrant()));
        bytes[4] memory callDatas = [
            abi.encodeCall(hooked.installModule, (EXECUTOR, agent, "")),
            abi.encodeCall(hooked.uninstallModule, (HOOK, address(module), "")),
            abi.encodeCall(
                hooked.executeFromExecutor,
                (
                    0,
                    abi.encodePacked(
                        address(token),
                        uint256(0),
                        abi.encodeCall(token.transfer, (payees[3], 1))
                    )
                )
            ),
            // executeUserOp and the callData behind it, as EntryPoints understand it
            bytes.concat(
                bytes4(
                    keccak256(
                        "executeUserOp((address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes),bytes32)"
                    )
                ),
                payment
            )
        ];
        for (uint256 i = 0; i < callDatas.length; ++i) {
            Draft memory d = draft(standardGrant());
            d.callData = callDatas[i];
            refused(d, abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector));
        }
    }

    function test_validateUserOp_reverts_overWindow() public both {
        Grant memory terms = standardGrant();
        terms.perWindow = 10 ether;
        install(terms);
        warp(EDGE - 10);
        send(_pay(terms, 4 ether));
        send(_pay(terms, 4 ether));
        refused(_pay(terms, 4 ether), _over(ISpendPolicy.OverWindow.selector, 12 ether, 10 ether));
        // Across the edge of a bucket too.
        warp(EDGE + 10);
        refused(_pay(terms, 4 ether), _over(ISpendPolicy.OverWindow.selector, 12 ether, 10 ether));
        warp(EDGE + 10 + 7 * BUCKET);
        send(_pay(terms, 4 ether));
    }

    /// A bundle is validated as a whole: what the first operation spends counts for the second.
    function test_validateUserOp_reverts_overWindowInOneBundle() public both {
        Grant memory terms = standardGrant();
        terms.perWindow = 5 ether;
        install(terms);
        PackedUserOperation memory first = build(_pay(terms, 3 ether));
        refused(
            bundle(first, buildNext(_pay(terms, 3 ether))),
            1,
            _over(ISpendPolicy.OverWindow.selector, 6 ether, 5 ether)
        );
        bool[] memory success = send(bundle(first, buildNext(_pay(terms, 2 ether))));
        assertTrue(success[0] && success[1], "within the window");
    }

    function test_validateUserOp_reverts_overLifetime() public both {
        Grant memory terms = standardGrant();
        terms.lifetime = 9 ether;
        install(terms);
        send(_pay(terms, 5 ether));
        warp(time + 8 * BUCKET);
        refused(_pay(terms, 5 ether), _over(ISpendPolicy.OverLifetime.selector, 10 ether, 9 ether));
        send(_pay(terms, 4 ether));
    }

    function test_validateUserOp_reverts_overGasBudget() public both {
        Grant memory terms = standardGrant();
        terms.gasBudget = 2 * FEE + FEE / 2;
        install(terms);
        send(draft(terms));
        send(draft(terms));
        refused(draft(terms), _over(ISpendPolicy.OverGasBudget.selector, 3 * FEE, terms.gasBudget));
    }

    function test_validateUserOp_reverts_overFeeCap() public both {
        Grant memory terms = standardGrant();
        terms.feeCap = FEE - 1e12;
        install(terms);
        refused(draft(terms), _over(ISpendPolicy.OverFeeCap.selector, FEE, terms.feeCap));
    }

    function test_validateUserOp_reverts_expired() public both {
        Grant memory terms = standardGrant();
        terms.expiry = START + 240;
        install(terms);
        send(draft(terms));
        Draft memory d = draft(terms);
        d.validAfter += 1;
        refused(d, _over(ISpendPolicy.Expired.selector, START + 241, START + 240));
        warp(START + 241);
        d = draft(terms);
        d.validAfter = START - 60;
        entryPointRefused(build(d), "AA22 expired or not due");
    }

    function test_validateUserOp_reverts_frozen() public both {
        install(standardGrant());
        vm.prank(owner);
        module.freeze(address(account));
        refused(draft(standardGrant()), frozenError());
        vm.prank(owner);
        module.unfreeze(address(account));
        send(draft(standardGrant()));
    }

    function test_validateUserOp_reverts_notGranted() public both {
        Grant memory terms = standardGrant();
        refused(draft(terms), notGranted(terms));
        bytes32 policyId = install(terms);
        send(draft(terms));
        vm.prank(owner);
        module.revokeAll(address(account));
        refused(draft(terms), notGranted(terms));
        install(terms);
        send(draft(terms));
        vm.prank(owner);
        module.revoke(address(account), policyId);
        refused(draft(terms), notGranted(terms));
    }

    function test_validateUserOp_reverts_ambiguousCall() public both {
        Grant memory second = standardGrant();
        second.salt = 2;
        install(standardGrant());
        install(second);
        Draft memory d = draft(standardGrant());
        refused(
            bundle(build(d), buildNext(draft(second))),
            1,
            abi.encodeWithSelector(ISpendPolicy.AmbiguousCall.selector, keccak256(callDataOf(d)))
        );
    }

    /// There is no owner's path: what a key alone signs is no agent's operation.
    function test_validateUserOp_reverts_ownersSignatures() public both {
        PackedUserOperation memory op = unsigned(callDataOf(draft(standardGrant())), laneOf(agent, 0));
        op.signature = compact(OWNER_KEY, userOpHash(op));
        refused(op, abi.encodeWithSelector(ISpendPolicy.MalformedSignature.selector, 64));
        op.signature = long(ROOT_KEY, userOpHash(op));
        refused(op, abi.encodeWithSelector(ISpendPolicy.MalformedSignature.selector, 65));
        op.signature = "";
        refused(op, abi.encodeWithSelector(ISpendPolicy.MalformedSignature.selector, 0));
    }

    // Accounts are kept apart.

    function test_validateUserOp_reverts_grantOfAnotherAccount() public {
        install(standardGrant());
        use(bare);
        refused(draft(standardGrant()), notGranted(standardGrant()));
        use(hooked);
        send(draft(standardGrant()));
        assertEq(module.counters(address(bare), policyIdOf(standardGrant())), 0);
    }

    /// The agent's signature for one account is nothing for another, even where the userOpHash were the same.
    function test_validateUserOp_fails_signedForAnotherAccount() public {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        PackedUserOperation memory op = build(d);
        bytes32 structHash = operationHash(userOpHash(op), policyIdOf(d.grant), d);
        bytes memory signature = compact(AGENT_KEY, digest(module, address(bare), structHash));
        for (uint256 i = 0; i < 64; ++i) op.signature[21 + i] = signature[i];
        unsignedRefused(op);
    }

    /// Whoever calls is the account: somebody else's operation, said by a caller, charges the caller alone.
    function test_validateUserOp_chargesTheCallerOnly(address caller) public {
        vm.assume(caller != address(account) && caller != address(vm));
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        uint256 before = module.counters(address(account), policyId);
        PackedUserOperation memory op = build(draft(terms));
        bytes32 hash = userOpHash(op);
        vm.expectRevert(notGranted(terms));
        vm.prank(caller);
        module.validateUserOp(op, hash);
        vm.prank(caller);
        module.grant(caller, terms);
        vm.prank(caller);
        uint256 validationData = module.validateUserOp(op, hash);
        // Nobody signed for the caller's account.
        assertEq(uint160(validationData), 1);
        assertEq(module.counters(address(account), policyId), before);
        send(op);
    }
}
