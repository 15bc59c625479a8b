// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant, ISpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {Status} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

contract GiveUpTest is SpendGrantTest {
    function test_giveUp_byTheKey() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = approve(grant);
        vm.expectEmit(address(grants));
        emit ISpendGrant.Revoked(hash, payer, agent);
        vm.prank(agent);
        grants.giveUp(grant);
        assertStatus(grant, Status.Revoked);
    }

    function test_giveUp_beforeAnybodyBroughtIt() public {
        vm.prank(agent);
        grants.giveUp(directGrant());
        assertStatus(directGrant(), Status.Revoked);
    }

    function test_giveUp_ofAnAccountsGrantByItsKey() public {
        vm.prank(agent);
        grants.giveUp(accountGrant());
        assertStatus(accountGrant(), Status.Revoked);
    }

    function test_giveUp_byTheAccountsOwner() public {
        send(ownerOp(single(address(grants), 0, abi.encodeCall(grants.giveUp, (accountGrant())))));
        assertStatus(accountGrant(), Status.Revoked);
    }

    function test_giveUp_byTheAgentInItsOperation() public {
        employ(AGENT_KEY, 1, ISpendGrant.giveUp.selector);
        bytes memory call = batchOf(abi.encodeCall(grants.giveUp, (accountGrant())));
        send(operationOf(AGENT_KEY, 1, call, ISpendGrant.giveUp.selector));
        assertStatus(accountGrant(), Status.Revoked);
    }

    function test_giveUp_reverts_otherAgentOfTheAccount() public {
        employ(OTHER_KEY, 1, ISpendGrant.giveUp.selector);
        bytes memory call = batchOf(abi.encodeCall(grants.giveUp, (accountGrant())));
        executionFails(
            operationOf(OTHER_KEY, 1, call, ISpendGrant.giveUp.selector),
            abi.encodeWithSelector(ISpendGrant.OtherAgentExecuting.selector, other, agent)
        );
        assertStatus(accountGrant(), Status.Unknown);
    }

    function test_giveUp_reverts_anybodyElse(address caller) public {
        vm.assume(caller != agent && caller != address(account) && caller != address(vm));
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgent.selector, caller, address(account)));
        vm.prank(caller);
        grants.giveUp(accountGrant());
    }
}
