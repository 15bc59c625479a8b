// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Delegation} from "../../../contracts/interfaces/IDelegationManager.sol";
import {IPermissionSpender} from "../../../contracts/interfaces/IPermissionSpender.sol";
import {ISpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {PermissionTest} from "../base/PermissionTest.sol";

/// Says that any agent is executing, whoever asks.
contract Liar {
    address private immutable AGENT;

    constructor(address agent) {
        AGENT = agent;
    }

    function agentExecuting() external view returns (address) {
        return AGENT;
    }

    function spend(
        IPermissionSpender spender,
        address payer,
        address token,
        address payee,
        bytes calldata context
    ) external {
        spender.spend(payer, token, payee, 1, context);
    }
}

contract SpendTest is PermissionTest {
    function test_spend_paysOutOfThePayersAccount(uint256 amount) public {
        amount = bound(amount, 0, 10 ether);
        bytes32 name = nameOf(permission());
        PackedUserOperation memory op = spending(spendCall(address(token), payees[2], amount, context()));
        vm.expectEmit(address(log));
        emit IDecisionLog.Committed(
            address(account),
            address(account),
            agent,
            size,
            keccak256(abi.encode("root", size))
        );
        vm.expectEmit(address(spender));
        emit IPermissionSpender.Spent(name, payer, address(token), payees[2], amount);
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
        assertEq(token.balanceOf(payees[2]), amount);
        assertEq(token.balanceOf(payer), 1_000_000 ether - amount);
        assertEq(token.balanceOf(address(account)), 1_000_000 ether);
        assertEq(token.balanceOf(address(spender)), 0);
    }

    // Who.

    function test_spend_reverts_anybodyElse(address caller) public {
        vm.assume(caller != address(account) && caller != address(vm));
        bytes memory context_ = context();
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgent.selector, caller, address(account)));
        vm.prank(caller);
        spender.spend(payer, address(token), payees[2], 1, context_);
    }

    /// Another agent of the same account, with a policy that lets it call `spend`.
    function test_spend_reverts_otherAgentOfTheAccount() public {
        employ(OTHER_KEY, 1, IPermissionSpender.spend.selector);
        bytes memory call = batchOf(spendCall(address(token), payees[2], 1, context()));
        executionFails(
            operationOf(OTHER_KEY, 1, call, IPermissionSpender.spend.selector),
            abi.encodeWithSelector(ISpendGrant.OtherAgentExecuting.selector, other, agent)
        );
    }

    function test_spend_reverts_owner() public {
        bytes memory data = spendCall(address(token), payees[2], 1, context());
        bytes memory reason = abi.encodeWithSelector(
            ISpendGrant.OtherAgentExecuting.selector,
            address(0),
            agent
        );
        executionFails(ownerOp(batchOf(data)), reason);
        vm.expectRevert(reason);
        vm.prank(owner);
        account.execute(0, abi.encodePacked(address(spender), uint256(0), data));
    }

    /// With the agent's own callData in front of it or behind it: one decision, one spend.
    function test_spend_ownerBesideTheAgentSpendsOnce() public {
        bytes memory data = spendCall(address(token), payees[2], 1 ether, context());
        PackedUserOperation memory op = spending(data);
        PackedUserOperation memory owners = ownerOp(batchOf(data));
        owners.accountGasLimits = op.accountGasLimits;
        owners.signature = compact(OWNER_KEY, userOpHash(owners));
        bool[] memory success = send(bundle(owners, op));
        assertTrue(success[0] != success[1], "not once");
        assertEq(token.balanceOf(payees[2]), 1 ether);
    }

    /// Single calls don't say for whom: the operation fails, and its decision stays.
    function test_spend_reverts_singleMode() public {
        bytes memory data = single(address(spender), 0, spendCall(address(token), payees[2], 1, context()));
        executionFails(
            operationOf(AGENT_KEY, 1, data, IPermissionSpender.spend.selector),
            abi.encodeWithSelector(ISpendGrant.OtherAgentExecuting.selector, address(0), agent)
        );
    }

    /// An account that its code does not tell for ours can say what it likes.
    function test_spend_reverts_liar() public {
        Liar liar = new Liar(agent);
        spender = newSpender(address(liar), agent);
        bytes memory context_ = context();
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgentAccount.selector, address(liar)));
        liar.spend(spender, payer, address(token), payees[2], context_);
    }

    function test_spend_reverts_plainKey() public {
        spender = newSpender(other, other);
        bytes memory context_ = context();
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgentAccount.selector, other));
        vm.prank(other);
        spender.spend(payer, address(token), payees[2], 1, context_);
    }

    /// A clone of another implementation, with the same code otherwise.
    function test_spend_reverts_otherImplementation() public {
        address implementation = address(newImplementation(address(entryPoint), address(log)));
        spender = newSpender(implementation, address(account), agent, address(manager));
        bytes memory context_ = context();
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgentAccount.selector, address(account)));
        vm.prank(address(account));
        spender.spend(payer, address(token), payees[2], 1, context_);
    }

    /// An EOA that delegates to the account's code is one of ours.
    function test_spend_byADelegatingEoa() public {
        address eoa = vm.addr(uint256(keccak256("eoa")));
        vm.etch(eoa, abi.encodePacked(hex"ef0100", factory.implementation()));
        account = IAgentAccount(eoa);
        vm.prank(eoa);
        account.initialize(owner);
        entryPoint.depositTo{value: 1 ether}(eoa);
        spender = newSpender(eoa, agent);
        employ(AGENT_KEY, 1, IPermissionSpender.spend.selector);
        spend(payees[2], 1 ether, context());
        assertEq(token.balanceOf(payees[2]), 1 ether);
    }

    // What the wallet permitted, by the framework's own enforcers.

    function test_spend_reverts_overThePeriod() public {
        bytes memory context_ = context();
        spend(payees[2], 10 ether, context_);
        spendFails(payees[2], 1, context_, enforcer("ERC20PeriodTransferEnforcer:transfer-amount-exceeded"));
        warp(time + PERIOD);
        spend(payees[2], 10 ether, context_);
        assertEq(token.balanceOf(payees[2]), 20 ether);
    }

    function test_spend_reverts_afterTheEnd() public {
        bytes memory context_ = context();
        warp(START + 30 days);
        spendFails(payees[2], 1, context_, enforcer("TimestampEnforcer:expired-delegation"));
    }

    function test_spend_reverts_otherToken() public {
        bytes memory context_ = contextOf(signedBy(PAYER_KEY, permissionOf(other)));
        spendFails(payees[2], 1, context_, enforcer("ERC20PeriodTransferEnforcer:invalid-contract"));
    }

    function test_spend_reverts_signedByAnother() public {
        bytes memory context_ = contextOf(signedBy(OTHER_KEY, permission()));
        spendFails(payees[2], 1, context_, abi.encodeWithSignature("InvalidERC1271Signature()"));
    }

    function test_spend_reverts_disabledAtTheManager() public {
        Delegation memory delegation = signedBy(PAYER_KEY, permission());
        (bool done, ) = _asPayer(
            address(manager),
            abi.encodeWithSignature(
                "disableDelegation((address,address,bytes32,(address,bytes,bytes)[],uint256,bytes))",
                delegation
            )
        );
        assertTrue(done, "could not disable");
        spendFails(
            payees[2],
            1,
            contextOf(delegation),
            abi.encodeWithSignature("CannotUseADisabledDelegation()")
        );
    }

    function _asPayer(address target, bytes memory data) private returns (bool, bytes memory) {
        vm.prank(payer);
        return target.call(data);
    }

    // What stops the agent in its account stops it here.
    function test_spend_frozenAccount() public {
        PackedUserOperation memory op = spending(spendCall(address(token), payees[2], 1, context()));
        bytes memory freezing = single(address(account), 0, abi.encodeCall(account.freeze, ()));
        bool[] memory success = send(bundle(ownerOp(freezing), op));
        assertTrue(!success[1], "spent while frozen");
        assertEq(token.balanceOf(payees[2]), 0);
    }
}
