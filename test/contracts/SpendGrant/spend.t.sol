// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {AgentSpendGrant, ISpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {
    Condition,
    CallProof,
    Grant,
    ISpendPolicy,
    Rule
} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

/// Says that any agent is executing, whoever asks.
contract Liar {
    address private immutable AGENT;

    constructor(address agent) {
        AGENT = agent;
    }

    function agentExecuting() external view returns (address) {
        return AGENT;
    }

    function spend(ISpendGrant grants, AgentSpendGrant calldata grant, address payee) external {
        grants.spend(grant, payee, 1, Source.Token);
    }
}

contract SpendTest is SpendGrantTest {
    AgentSpendGrant private _grant;

    function setUp() public virtual override {
        super.setUp();
        _grant = accountGrant();
        approve(_grant);
        employ(AGENT_KEY, 1, ISpendGrant.spend.selector);
    }

    function _operation(uint256 key, bytes memory callData) private returns (PackedUserOperation memory) {
        return operationOf(key, 1, callData, ISpendGrant.spend.selector);
    }

    function _spending(uint256 amount) private view returns (bytes memory) {
        return batchOf(spendCall(_grant, payees[2], amount));
    }

    function _fails(uint256 amount, bytes memory reason) private {
        executionFails(_operation(AGENT_KEY, _spending(amount)), reason);
    }

    function test_spend_paysOutOfThePayersAccount(uint256 amount) public {
        amount = bound(amount, 0, 5 ether);
        bytes32 hash = digestOf(_grant);
        PackedUserOperation memory op = _operation(AGENT_KEY, _spending(amount));
        vm.expectEmit(address(log));
        emit IDecisionLog.Committed(
            address(account),
            address(account),
            agent,
            size,
            keccak256(abi.encode("root", size))
        );
        vm.expectEmit(address(grants));
        emit ISpendGrant.Spent(hash, payees[2], amount);
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
        assertEq(token.balanceOf(payees[2]), amount);
        assertEq(token.balanceOf(payer), 1_000_000 ether - amount);
        assertEq(token.balanceOf(address(account)), 1_000_000 ether);
        // The size is the account's policy's to keep.
        assertEq(grants.budgetOf(_grant).size, 0);
    }

    // Who.

    function test_spend_reverts_anybodyElse(address caller) public {
        vm.assume(caller != address(account) && caller != address(vm));
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgent.selector, caller, address(account)));
        vm.prank(caller);
        grants.spend(_grant, payees[2], 1, Source.Token);
    }

    /// Another agent of the same account, with a policy that lets it call `spend`.
    function test_spend_reverts_otherAgentOfTheAccount() public {
        employ(OTHER_KEY, 1, ISpendGrant.spend.selector);
        executionFails(
            _operation(OTHER_KEY, _spending(1)),
            abi.encodeWithSelector(ISpendGrant.OtherAgentExecuting.selector, other, agent)
        );
    }

    function test_spend_reverts_ownersOperation() public {
        bytes memory reason = abi.encodeWithSelector(
            ISpendGrant.OtherAgentExecuting.selector,
            address(0),
            agent
        );
        executionFails(ownerOp(_spending(1)), reason);
        executionFails(ownerOp(single(address(grants), 0, spendCall(_grant, payees[2], 1))), reason);
        vm.expectRevert(reason);
        vm.prank(owner);
        account.execute(0, abi.encodePacked(address(grants), uint256(0), spendCall(_grant, payees[2], 1)));
    }

    function test_spend_reverts_ownerBehindTheAgent() public {
        PackedUserOperation memory op = _operation(AGENT_KEY, _spending(1 ether));
        bool[] memory success = send(bundle(op, ownerOp(_spending(1 ether))));
        assertTrue(success[0], "the agent's failed");
        assertTrue(!success[1], "the owner passed for the agent");
        assertEq(token.balanceOf(payees[2]), 1 ether);
    }

    /// In front of it, with the agent's own callData: one decision, one spend, and that as the agent signed it.
    function test_spend_ownerInFrontOfTheAgentSpendsOnce() public {
        PackedUserOperation memory op = _operation(AGENT_KEY, _spending(1 ether));
        bool[] memory success = send(bundle(ownerOp(_spending(1 ether)), op));
        assertTrue(success[0] && !success[1], "not once");
        assertEq(token.balanceOf(payees[2]), 1 ether);
    }

    /// Single calls don't say for whom: the operation fails, and its decision stays.
    function test_spend_reverts_singleMode() public {
        bytes memory callData = single(address(grants), 0, spendCall(_grant, payees[2], 1));
        executionFails(
            _operation(AGENT_KEY, callData),
            abi.encodeWithSelector(ISpendGrant.OtherAgentExecuting.selector, address(0), agent)
        );
    }

    /// An account that its code does not tell for ours can say what it likes.
    function test_spend_reverts_liar() public {
        Liar liar = new Liar(agent);
        _grant.agent = address(liar);
        approve(_grant);
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgentAccount.selector, address(liar)));
        liar.spend(grants, _grant, payees[2]);
    }

    /// A key whose grant names an account can't be that account.
    function test_spend_reverts_plainKey() public {
        _grant.agent = other;
        approve(_grant);
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgentAccount.selector, other));
        vm.prank(other);
        grants.spend(_grant, payees[2], 1, Source.Token);
    }

    /// A clone of another implementation, with the same code otherwise.
    function test_spend_reverts_otherImplementation() public {
        grants = newSpendGrant(address(newImplementation(address(entryPoint), address(log))));
        approve(_grant);
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgentAccount.selector, address(account)));
        vm.prank(address(account));
        grants.spend(_grant, payees[2], 1, Source.Token);
    }

    function test_spend_reverts_implementationItself() public {
        address implementation = factory.implementation();
        _grant.agent = implementation;
        approve(_grant);
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgentAccount.selector, implementation));
        vm.prank(implementation);
        grants.spend(_grant, payees[2], 1, Source.Token);
    }

    // The rest is judged as for keys: spendDirectly.t.sol.

    function test_spend_reverts_limits() public {
        _fails(5 ether + 1, refusal(ISpendPolicy.OverPerCall.selector, 5 ether + 1, 5 ether));
        for (uint256 i = 0; i < 10; ++i) send(_operation(AGENT_KEY, _spending(5 ether)));
        _fails(1, refusal(ISpendPolicy.OverWindow.selector, 50 ether + 10 ** 15, 50 ether));
    }

    function test_spend_reverts_notAPayee() public {
        bytes memory callData = batchOf(spendCall(_grant, other, 1));
        executionFails(_operation(AGENT_KEY, callData), notPayee(other));
        // A payer who lists payees is not cheated by a pull to the agent's account.
        callData = batchOf(spendCall(_grant, address(account), 1));
        executionFails(_operation(AGENT_KEY, callData), notPayee(address(account)));
    }

    function test_spend_reverts_revoked() public {
        bytes32 hash = digestOf(_grant);
        vm.prank(payer);
        grants.revoke(hash);
        _fails(1, abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, hash));
    }

    /// What stops the agent in its account stops it here.
    function test_spend_frozenAccount() public {
        PackedUserOperation memory op = _operation(AGENT_KEY, _spending(1 ether));
        bytes memory freezing = single(address(account), 0, abi.encodeCall(account.freeze, ()));
        bool[] memory success = send(bundle(ownerOp(freezing), op));
        assertTrue(!success[1], "spent while frozen");
        assertEq(token.balanceOf(payees[2]), 0);
    }

    // One operation.

    function _two(
        Execution memory first,
        Execution memory second,
        Rule memory firstRule,
        Rule memory secondRule
    ) private returns (PackedUserOperation memory) {
        Grant memory terms = standardGrant();
        (bytes32 one_, bytes32 two_) = (rootOf(firstRule), rootOf(secondRule));
        terms.salt = 7;
        terms.extras.rules =
            one_ < two_ ? keccak256(abi.encode(one_, two_)) : keccak256(abi.encode(two_, one_));
        install(terms);
        (CallProof memory a, CallProof memory b) = (byRule(firstRule), byRule(secondRule));
        (a.path, b.path) = (new bytes32[](1), new bytes32[](1));
        (a.path[0], b.path[0]) = (two_, one_);
        return build(ruledDraft(terms, batch(first, second)), tailOf(terms, list(a, b)));
    }

    function _rule(address target, bytes4 selector) private pure returns (Rule memory rule) {
        (rule.target, rule.selector, rule.conditions) = (target, selector, new Condition[](0));
    }

    /// Approve and spend at once.
    function test_spend_approvedInTheSameOperation() public {
        _grant.salt = 2;
        PackedUserOperation memory op = _two(
            Execution(
                address(grants),
                0,
                abi.encodeCall(grants.approveBySignature, (_grant, signedBy(PAYER_KEY, _grant)))
            ),
            Execution(address(grants), 0, spendCall(_grant, payees[2], 2 ether)),
            _rule(address(grants), ISpendGrant.approveBySignature.selector),
            _rule(address(grants), ISpendGrant.spend.selector)
        );
        send(op);
        assertEq(token.balanceOf(payees[2]), 2 ether);
    }

    /// Pull and act at once, where the payer named the account among the payees.
    function test_spend_pullsAndActs() public {
        _grant.payees = only(address(account));
        approve(_grant);
        PackedUserOperation memory op = _two(
            Execution(address(grants), 0, spendCall(_grant, address(account), 2 ether)),
            swapCall(2 ether, address(account)),
            _rule(address(grants), ISpendGrant.spend.selector),
            swapRule(5 ether, 0)
        );
        send(op);
        assertEq(token.balanceOf(address(account)), 1_000_002 ether);
    }

    /// An EOA that delegates to the account's code is one of ours.
    function test_spend_byADelegatingEoa() public {
        address eoa = vm.addr(uint256(keccak256("eoa")));
        vm.etch(eoa, abi.encodePacked(hex"ef0100", factory.implementation()));
        account = IAgentAccount(eoa);
        vm.prank(eoa);
        account.initialize(owner);
        entryPoint.depositTo{value: 1 ether}(eoa);
        employ(AGENT_KEY, 1, ISpendGrant.spend.selector);
        _grant.agent = eoa;
        approve(_grant);
        send(_operation(AGENT_KEY, _spending(1 ether)));
        assertEq(token.balanceOf(payees[2]), 1 ether);
    }
}
