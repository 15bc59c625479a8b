// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {CallProof, Grant, ISpendPolicy, Tail} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {RuledTest} from "../base/RuledTest.sol";

/// What holds for every payment holds for those of kind 4: the cap over all agents, and the stops between validation and execution.
contract ValidateUserOpRuledGateTest is RuledTest {
    Grant private _terms;

    function setUp() public override {
        super.setUp();
        _terms = standardGrant();
        install(_terms);
    }

    function _draft(Grant memory terms, uint256 amount) private returns (Draft memory) {
        return ruledDraft(terms, single(payment(3, amount)));
    }

    function _tail(Grant memory terms) private view returns (Tail memory) {
        return tailOf(terms, list(payeePath(3)));
    }

    function _pay(uint256 amount) private returns (PackedUserOperation memory) {
        return build(_draft(_terms, amount), _tail(_terms));
    }

    function test_ruledGate_chargesTheCap() public {
        vm.prank(owner);
        account.setCap(address(token), 7 ether, BUCKET);
        send(_pay(4 ether));
        refused(
            _pay(3 ether + 1),
            abi.encodeWithSelector(ISpendPolicy.OverCap.selector, address(token), 7.001 ether, 7 ether)
        );
        send(_pay(3 ether));
        // What moves nothing passes a cap that is full.
        send(build(ruledDraft(_terms, ""), tailOf(_terms, new CallProof[](0))));
        vm.prank(owner);
        account.setCap(address(token), 0, 0);
        send(_pay(5 ether));
    }

    function _stoppedInBundle(bytes memory stop) private {
        PackedUserOperation memory op = _pay(1 ether);
        bool[] memory success = send(bundle(ownerOp(single(address(account), 0, stop)), op));
        assertTrue(success[0], "the owner's operation failed");
        assertTrue(!success[1], "the agent was not stopped");
        assertEq(token.balanceOf(payees[3]), 0);
    }

    function test_ruledGate_stopsAgentFrozenInBundle() public {
        _stoppedInBundle(abi.encodeCall(account.freeze, ()));
    }

    function test_ruledGate_stopsAgentRevokedInBundle() public {
        _stoppedInBundle(abi.encodeCall(account.revoke, (account.policyIdOf(_terms))));
    }

    function test_ruledGate_reverts_ambiguousCall() public {
        Grant memory second = standardGrant();
        second.salt = 2;
        install(second);
        Draft memory d = _draft(_terms, 1 ether);
        Draft memory e = _draft(second, 1 ether);
        e.nonceKey = laneOf(agent, 7);
        refused(
            bundle(build(d, _tail(_terms)), build(e, _tail(second))),
            1,
            abi.encodeWithSelector(ISpendPolicy.AmbiguousCall.selector, keccak256(d.callData))
        );
    }

    /// No operation without a commitment: where the log refuses, so does the account.
    function test_ruledGate_reverts_whatTheLogRefuses() public {
        RefusingLog refusing = new RefusingLog();
        account = IAgentAccount(
            Clones.clone(address(newImplementation(address(entryPoint), address(refusing))))
        );
        account.initialize(owner);
        token.mint(address(account), 10 ether);
        entryPoint.depositTo{value: 1 ether}(address(account));
        install(_terms);
        bytes memory reason = abi.encodeWithSelector(RefusingLog.NotToday.selector);
        refused(_pay(1), reason);
        refused(draft(_terms), reason);
    }
}

contract RefusingLog {
    error NotToday();

    fallback() external {
        revert NotToday();
    }
}
