// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPermissionSpender} from "../../../contracts/interfaces/IPermissionSpender.sol";
import {ISpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {PermissionTest} from "../base/PermissionTest.sol";

contract GiveUpTest is PermissionTest {
    bytes32 private _name;

    function setUp() public override {
        super.setUp();
        _name = nameOf(permission());
    }

    function _call() private view returns (bytes memory) {
        return abi.encodeCall(spender.giveUp, (payer, _name));
    }

    function _over() private view {
        assertTrue(spender.isRevoked(payer, _name), "not over");
    }

    function test_giveUp_byTheKey() public {
        vm.expectEmit(address(spender));
        emit IPermissionSpender.Revoked(_name, payer, agent);
        vm.prank(agent);
        spender.giveUp(payer, _name);
        _over();
        spendFails(
            payees[2],
            1,
            context(),
            abi.encodeWithSelector(IPermissionSpender.PermissionRevoked.selector, _name)
        );
    }

    function test_giveUp_byTheAccountsOwner() public {
        send(ownerOp(single(address(spender), 0, _call())));
        _over();
    }

    function test_giveUp_byTheAgentInItsOperation() public {
        employ(AGENT_KEY, 2, IPermissionSpender.giveUp.selector);
        send(operationOf(AGENT_KEY, 2, batchOf(_call()), IPermissionSpender.giveUp.selector));
        _over();
    }

    function test_giveUp_reverts_otherAgentOfTheAccount() public {
        employ(OTHER_KEY, 1, IPermissionSpender.giveUp.selector);
        executionFails(
            operationOf(OTHER_KEY, 1, batchOf(_call()), IPermissionSpender.giveUp.selector),
            abi.encodeWithSelector(ISpendGrant.OtherAgentExecuting.selector, other, agent)
        );
        assertTrue(!spender.isRevoked(payer, _name), "over");
    }

    function test_giveUp_reverts_anybodyElse(address caller) public {
        vm.assume(caller != agent && caller != address(account) && caller != address(vm));
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgent.selector, caller, address(account)));
        vm.prank(caller);
        spender.giveUp(payer, _name);
    }
}
