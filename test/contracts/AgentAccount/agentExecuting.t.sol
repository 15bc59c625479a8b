// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {Condition, Grant, ISpendPolicy, Rule} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {RuledTest} from "../base/RuledTest.sol";

/// Asks the account that calls it for whom it does, and does one thing more if it is told to.
contract Asker {
    event Asked(address agent);

    address private _target;
    bytes private _data;

    function prepare(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    function ask() public {
        emit Asked(IAgentAccount(msg.sender).agentExecuting());
    }

    /// For an account that this contract owns.
    function askAndCall() external {
        ask();
        (bool done, ) = _target.call(_data);
        require(done, "failed");
        ask();
    }
}

contract AgentExecutingTest is RuledTest {
    Asker private _asker;

    function setUp() public override {
        super.setUp();
        _asker = new Asker();
    }

    /// A policy that lets an agent call one function of the asker.
    function _policy(
        address agent_,
        bytes4 selector
    ) private view returns (Grant memory terms, Rule memory rule) {
        (rule.target, rule.selector, rule.conditions) = (address(_asker), selector, new Condition[](0));
        terms = standardGrant();
        (terms.agent, terms.extras.rules) = (agent_, rootOf(rule));
    }

    function _call(bytes4 selector) private view returns (Execution memory) {
        return Execution(address(_asker), 0, abi.encodeWithSelector(selector));
    }

    function _batch(bytes4 selector) private view returns (bytes memory) {
        Execution[] memory calls = new Execution[](1);
        calls[0] = _call(selector);
        return batch(calls);
    }

    function _operation(
        uint256 key,
        bytes memory callData,
        bytes4 selector
    ) private returns (PackedUserOperation memory) {
        (Grant memory terms, Rule memory rule) = _policy(vm.addr(key), selector);
        Draft memory d = ruledDraft(terms, callData);
        d.agentKey = key;
        return build(d, tailOf(terms, list(byRule(rule))));
    }

    function _employ(uint256 key, bytes4 selector) private {
        (Grant memory terms, ) = _policy(vm.addr(key), selector);
        install(terms);
    }

    function _expect(address agent_) private {
        vm.expectEmit(address(_asker));
        emit Asker.Asked(agent_);
    }

    function _run(PackedUserOperation[] memory ops) private {
        vm.prank(bundler, bundler);
        entryPoint.handleOps(ops, payable(bundler));
    }

    function test_agentExecuting_inABatch() public {
        _employ(AGENT_KEY, Asker.ask.selector);
        PackedUserOperation memory op = _operation(AGENT_KEY, _batch(Asker.ask.selector), Asker.ask.selector);
        _expect(agent);
        _run(bundle(op));
        assertEq(account.agentExecuting(), address(0));
    }

    function test_agentExecuting_eachAgentOfABundle() public {
        _employ(AGENT_KEY, Asker.ask.selector);
        _employ(OTHER_KEY, Asker.askAndCall.selector);
        PackedUserOperation memory first = _operation(
            OTHER_KEY,
            _batch(Asker.askAndCall.selector),
            Asker.askAndCall.selector
        );
        PackedUserOperation memory second = _operation(
            AGENT_KEY,
            _batch(Asker.ask.selector),
            Asker.ask.selector
        );
        _expect(other);
        _expect(other);
        _expect(agent);
        _run(bundle(first, second));
    }

    /// The same callData twice, each with a decision of its own.
    function test_agentExecuting_twiceInABundle() public {
        _employ(AGENT_KEY, Asker.ask.selector);
        PackedUserOperation memory first = _operation(
            AGENT_KEY,
            _batch(Asker.ask.selector),
            Asker.ask.selector
        );
        (Grant memory terms, Rule memory rule) = _policy(agent, Asker.ask.selector);
        Draft memory d = ruledDraft(terms, _batch(Asker.ask.selector));
        d.nonceKey = laneOf(agent, 1);
        PackedUserOperation memory second = build(d, tailOf(terms, list(byRule(rule))));
        PackedUserOperation[] memory ops = new PackedUserOperation[](3);
        (ops[0], ops[1], ops[2]) = (first, second, ownerOp(_batch(Asker.ask.selector)));
        _expect(agent);
        _expect(agent);
        _expect(address(0));
        _run(ops);
    }

    /// A single call is nobody's: most payments are, and it is cheaper not to say.
    function test_agentExecuting_zeroInSingleMode() public {
        _employ(AGENT_KEY, Asker.ask.selector);
        bytes memory callData = single(_call(Asker.ask.selector));
        PackedUserOperation memory op = _operation(AGENT_KEY, callData, Asker.ask.selector);
        _expect(address(0));
        _run(bundle(op));
    }

    function test_agentExecuting_zeroForTheOwner() public {
        _expect(address(0));
        _run(bundle(ownerOp(_batch(Asker.ask.selector))));
        Execution[] memory calls = new Execution[](1);
        calls[0] = _call(Asker.ask.selector);
        _expect(address(0));
        vm.prank(owner);
        account.execute(BATCH, abi.encode(calls));
    }

    /// Behind an agent's operation in the same bundle too, in both modes.
    function test_agentExecuting_zeroForTheOwnerInTheAgentsBundle() public {
        _employ(AGENT_KEY, Asker.ask.selector);
        PackedUserOperation memory op = _operation(AGENT_KEY, _batch(Asker.ask.selector), Asker.ask.selector);
        Execution[] memory calls = new Execution[](2);
        (calls[0], calls[1]) = (_call(Asker.ask.selector), _call(Asker.ask.selector));
        _expect(agent);
        _expect(address(0));
        _expect(address(0));
        _run(bundle(op, ownerOp(batch(calls))));
        op = _operation(AGENT_KEY, _batch(Asker.ask.selector), Asker.ask.selector);
        _expect(agent);
        _expect(address(0));
        _run(bundle(op, ownerOp(single(_call(Asker.ask.selector)))));
    }

    /// An owner's operation with the agent's very callData takes its note, and then the agent's own has none: one decision, one
    /// call as an agent.
    function test_agentExecuting_onceForEachDecision() public {
        _employ(AGENT_KEY, Asker.ask.selector);
        PackedUserOperation memory op = _operation(AGENT_KEY, _batch(Asker.ask.selector), Asker.ask.selector);
        _expect(agent);
        _expect(address(0));
        _run(bundle(op, ownerOp(_batch(Asker.ask.selector))));
        op = _operation(AGENT_KEY, _batch(Asker.ask.selector), Asker.ask.selector);
        _expect(agent);
        _expect(address(0));
        _run(bundle(ownerOp(_batch(Asker.ask.selector)), op));
    }

    /// A note does not outlive the transaction.
    function test_agentExecuting_notInALaterTransaction() public {
        _employ(AGENT_KEY, Asker.ask.selector);
        PackedUserOperation memory op = _operation(AGENT_KEY, _batch(Asker.ask.selector), Asker.ask.selector);
        _run(bundle(op));
        _expect(address(0));
        _run(bundle(ownerOp(_batch(Asker.ask.selector))));
    }

    /// An owner that is a contract, and that the agent's batch calls, acts for itself; and what follows is not the agent's.
    function test_agentExecuting_zeroFromTheOwnersCallOn() public {
        account = IAgentAccount(factory.createAccount(address(_asker), 1));
        entryPoint.depositTo{value: 1 ether}(address(account));
        (Grant memory terms, ) = _policy(agent, Asker.askAndCall.selector);
        vm.prank(address(_asker));
        account.grant(terms);
        bytes memory inner = abi.encodePacked(address(_asker), uint256(0), abi.encodeCall(Asker.ask, ()));
        _asker.prepare(address(account), abi.encodeCall(account.execute, (bytes32(0), inner)));
        PackedUserOperation memory op = _operation(
            AGENT_KEY,
            _batch(Asker.askAndCall.selector),
            Asker.askAndCall.selector
        );
        _expect(agent);
        _expect(address(0));
        _expect(address(0));
        _run(bundle(op));
    }

    /// Nobody but the account's execution answers with an agent.
    function test_agentExecuting_zeroOutside(address caller) public {
        vm.assume(caller != address(vm));
        vm.prank(caller);
        assertEq(account.agentExecuting(), address(0));
    }
}
