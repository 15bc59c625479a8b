// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC7579Utils} from "@openzeppelin/contracts/account/utils/draft-ERC7579Utils.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

contract ExecuteTest is AccountTest {
    function _transfer(address to, uint256 amount) private view returns (bytes memory) {
        return abi.encodeCall(token.transfer, (to, amount));
    }

    function _pack(address target, uint256 value, bytes memory data) private pure returns (bytes memory) {
        return abi.encodePacked(target, value, data);
    }

    function _twoCalls() private view returns (bytes memory) {
        Execution[] memory calls = new Execution[](2);
        calls[0] = Execution(address(token), 0, _transfer(other, 2 ether));
        calls[1] = Execution(other, 1 ether, "");
        return abi.encode(calls);
    }

    function test_execute_singleByOwner(uint256 amount) public {
        amount = bound(amount, 0, 1_000_000 ether);
        vm.prank(owner);
        account.execute(0, _pack(address(token), 0, _transfer(other, amount)));
        assertEq(token.balanceOf(other), amount);
    }

    function test_execute_batchByOwner() public {
        vm.prank(owner);
        account.execute(BATCH, _twoCalls());
        assertEq(token.balanceOf(other), 2 ether);
        assertEq(other.balance, 1 ether);
    }

    function test_execute_batchByOwnersOperation() public {
        Execution[] memory calls = new Execution[](2);
        calls[0] = Execution(address(account), 0, abi.encodeCall(account.freeze, ()));
        calls[1] = Execution(address(account), 0, abi.encodeCall(account.revokeAll, ()));
        send(ownerOp(abi.encodeCall(account.execute, (BATCH, abi.encode(calls)))));
        assertTrue(account.frozen(), "not frozen");
        assertEq(account.epoch(), 1);
    }

    function test_execute_passesValueOn() public {
        vm.deal(owner, 1 ether);
        vm.prank(owner);
        account.execute{value: 1 ether}(0, _pack(other, 1 ether, ""));
        assertEq(other.balance, 1 ether);
        assertEq(address(account).balance, 1000 ether);
    }

    function test_execute_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(entryPoint));
        vm.assume(caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.execute(0, _pack(other, 1, ""));
    }

    function test_execute_reverts_byAgent() public {
        install(standardGrant());
        vm.expectRevert(notOwner(agent));
        vm.prank(agent);
        account.execute(0, _pack(address(token), 0, _transfer(payees[0], 1)));
    }

    function test_execute_reverts_modeNotSupported(bytes32 mode) public {
        vm.assume(mode != 0 && mode != BATCH);
        vm.expectRevert(abi.encodeWithSelector(IAgentAccount.ModeNotSupported.selector, mode));
        vm.prank(owner);
        account.execute(mode, _pack(other, 1, ""));
    }

    function test_execute_reverts_delegatecallMode() public {
        bytes32 mode = bytes32(bytes1(0xff));
        vm.expectRevert(abi.encodeWithSelector(IAgentAccount.ModeNotSupported.selector, mode));
        vm.prank(owner);
        account.execute(mode, abi.encodePacked(other));
    }

    function test_execute_passesFailureOn() public {
        bytes memory reason = abi.encodeWithSelector(
            IERC20Errors.ERC20InsufficientBalance.selector,
            address(account),
            1_000_000 ether,
            2_000_000 ether
        );
        vm.expectRevert(reason);
        vm.prank(owner);
        account.execute(0, _pack(address(token), 0, _transfer(other, 2_000_000 ether)));
    }

    function test_execute_reverts_wholeBatch() public {
        Execution[] memory calls = new Execution[](2);
        calls[0] = Execution(address(token), 0, _transfer(other, 1));
        calls[1] = Execution(address(token), 0, _transfer(other, 2_000_000 ether));
        vm.prank(owner);
        (bool ok, ) = address(account).call(abi.encodeCall(account.execute, (BATCH, abi.encode(calls))));
        assertTrue(!ok, "half a batch");
        assertEq(token.balanceOf(other), 0);
    }

    function test_execute_reverts_shortSingle(uint256 length) public {
        bytes memory data = new bytes(bound(length, 0, 51));
        vm.prank(owner);
        (bool ok, ) = address(account).call(abi.encodeCall(account.execute, (0, data)));
        assertTrue(!ok, "accepted");
    }

    function test_execute_reverts_malformedBatch() public {
        vm.expectRevert(ERC7579Utils.ERC7579DecodingError.selector);
        vm.prank(owner);
        account.execute(BATCH, hex"00");
    }

    // A bundle is validated as a whole before any of it is executed.

    function _stoppedInBundle(bytes memory stop) private {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = draft(terms);
        bool[] memory success = send(bundle(ownerOp(single(address(account), 0, stop)), build(d)));
        assertTrue(success[0], "the owner's operation failed");
        assertTrue(!success[1], "the agent was not stopped");
        assertEq(token.balanceOf(payees[d.payee]), 0);
    }

    function test_execute_stopsAgentFrozenInBundle() public {
        _stoppedInBundle(abi.encodeCall(account.freeze, ()));
    }

    function test_execute_stopsAgentRevokedInBundle() public {
        bytes32 policyId = account.policyIdOf(standardGrant());
        _stoppedInBundle(abi.encodeCall(account.revoke, (policyId)));
    }

    function test_execute_stopsAgentOfMovedEpochInBundle() public {
        _stoppedInBundle(abi.encodeCall(account.revokeAll, ()));
    }

    function test_execute_sameCallTwiceInBundle() public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = draft(terms);
        Draft memory e = draft(terms);
        e.nonceKey = laneOf(agent, 7);
        bool[] memory success = send(bundle(build(d), build(e)));
        assertTrue(success[0] && success[1], "refused");
        assertEq(token.balanceOf(payees[d.payee]), 2 * d.amount);
    }

    /// The owner's operation with an agent's callData neither frees the agent from the check, nor is stopped without need.
    function test_execute_ownerWithAgentsCallInBundle() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        Draft memory d = draft(terms);
        PackedUserOperation[] memory ops = bundle(build(d), ownerOp(callDataOf(d)));
        bool[] memory success = send(ops);
        assertTrue(success[0] && success[1], "refused");

        d = draft(terms);
        d.nonceKey = laneOf(agent, 7);
        PackedUserOperation memory stop = unsigned(
            single(address(account), 0, abi.encodeCall(account.revoke, (policyId))),
            55
        );
        stop.signature = compact(OWNER_KEY, userOpHash(stop));
        ops = new PackedUserOperation[](3);
        (ops[0], ops[1], ops[2]) = (stop, ownerOp(callDataOf(d)), build(d));
        success = send(ops);
        assertTrue(success[0] && !success[1] && !success[2], "an agent's call ran after its revocation");
        // In a bundle of its own it runs.
        send(ownerOp(callDataOf(d)));
    }
}
