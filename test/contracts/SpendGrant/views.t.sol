// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant, Budget, ISpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy, Status} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

contract ViewsTest is SpendGrantTest {
    function _budget(
        AgentSpendGrant memory grant,
        Status status,
        uint256 spent,
        uint256 leftInTotal,
        uint256 leftInWindow,
        uint256 leftNow
    ) private view {
        Budget memory budget = grants.budgetOf(grant);
        assertEq(uint256(budget.status), uint256(status));
        assertEq(budget.spent, spent);
        assertEq(budget.leftInTotal, leftInTotal);
        assertEq(budget.leftInWindow, leftInWindow);
        assertEq(budget.leftNow, leftNow);
    }

    function test_hashOf_isEip712(AgentSpendGrant memory grant) public view {
        assertEq(grants.hashOf(grant), digestOf(grant));
    }

    function test_domain() public view {
        (, string memory name, string memory version, uint256 chain, address contract_, , ) = grants
            .eip712Domain();
        assertEq(keccak256(bytes(name)), keccak256("Bursar SpendGrant"));
        assertEq(keccak256(bytes(version)), keccak256("1"));
        assertEq(chain, block.chainid);
        assertEq(contract_, address(grants));
        assertEq(
            grants.domainSeparator(),
            keccak256(
                abi.encode(
                    keccak256(
                        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                    ),
                    keccak256(bytes(name)),
                    keccak256(bytes(version)),
                    chain,
                    contract_
                )
            )
        );
    }

    function test_parts() public view {
        assertEq(grants.accountImplementation(), factory.implementation());
        assertEq(grants.decisionLog(), address(log));
        assertEq(grants.allowanceTransfer(), PERMIT2);
        assertTrue(grants.outsider().code.length != 0, "no outsider");
    }

    function test_budgetOf_life() public {
        AgentSpendGrant memory grant = directGrant();
        grant.total = 100 ether;
        _budget(grant, Status.Unknown, 0, 100 ether, 50 ether, 0);
        approve(grant);
        _budget(grant, Status.Granted, 0, 100 ether, 50 ether, 5 ether);
        for (uint256 i = 0; i < 9; ++i) spendDirectly(grant, payees[0], 5 ether);
        spendDirectly(grant, payees[0], 3 ether);
        assertEq(grants.budgetOf(grant).size, size);
        _budget(grant, Status.Granted, 48 ether, 52 ether, 2 ether, 2 ether);
        warp(time + 2 days);
        _budget(grant, Status.Granted, 48 ether, 52 ether, 50 ether, 5 ether);
        for (uint256 i = 0; i < 10; ++i) spendDirectly(grant, payees[0], 5 ether);
        _budget(grant, Status.Granted, 98 ether, 2 ether, 0, 0);
        warp(time + 2 days);
        _budget(grant, Status.Granted, 98 ether, 2 ether, 50 ether, 2 ether);
        bytes32 hash = digestOf(grant);
        vm.prank(payer);
        grants.revoke(hash);
        _budget(grant, Status.Revoked, 98 ether, 2 ether, 50 ether, 0);
    }

    function test_budgetOf_nothingOutOfItsTime() public {
        AgentSpendGrant memory grant = directGrant();
        grant.validAfter = uint48(START + 10);
        approve(grant);
        _budget(grant, Status.Granted, 0, 1000 ether, 50 ether, 0);
        warp(START + 10);
        assertEq(grants.budgetOf(grant).leftNow, 0);
        warp(START + 11);
        assertEq(grants.budgetOf(grant).leftNow, 5 ether);
        warp(grant.validUntil);
        assertEq(grants.budgetOf(grant).leftNow, 5 ether);
        warp(uint256(grant.validUntil) + 1);
        assertEq(grants.budgetOf(grant).leftNow, 0);
    }

    function test_budgetOf_nothingInAnotherEpoch() public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        vm.prank(payer);
        grants.revokeAll();
        _budget(grant, Status.Granted, 0, 1000 ether, 50 ether, 0);
    }

    /// What it says is left can be spent, and a unit more can't.
    function test_budgetOf_isRight(uint256[12] memory amounts, uint256[12] memory pauses) public {
        AgentSpendGrant memory grant = directGrant();
        grant.total = 80 ether;
        approve(grant);
        for (uint256 i = 0; i < 12; ++i) {
            uint256 left = grants.budgetOf(grant).leftNow;
            if (left != 0) spendDirectly(grant, payees[0], bound(amounts[i], 1, left));
            left = grants.budgetOf(grant).leftNow;
            grants.requireSpendable(grant, payees[0], left);
            (bool works, ) = address(grants).staticcall(
                abi.encodeCall(grants.requireSpendable, (grant, payees[0], left + 1))
            );
            assertTrue(!works, "more than was left");
            warp(time + bound(pauses[i], 0, 20 hours));
        }
    }

    /// The same errors in the same order as a spend; the caller is the only thing it does not look at.
    function test_requireSpendable_saysWhatASpendWould(uint256 choice, uint256 amount, bool known) public {
        AgentSpendGrant memory grant = directGrant();
        grant.total = 60 ether;
        approve(grant);
        for (uint256 i = 0; i < 10; ++i) spendDirectly(grant, payees[0], 5 ether);
        bytes32 hash = digestOf(grant);
        choice = bound(choice, 0, 7);
        if (choice == 1) grant.salt = 2;
        if (choice == 2) warp(uint256(grant.validUntil) + 1);
        if (choice == 3) warp(time + 2 days);
        if (choice == 4) warp(time + 25 hours);
        if (choice == 5) vm.prank(payer);
        if (choice == 5) grants.revoke(hash);
        if (choice == 6) vm.prank(payer);
        if (choice == 6) grants.revokeAll();
        if (choice == 7) warp(START - 1);
        address payee = known ? payees[1] : other;
        amount = bound(amount, 0, 12 ether);
        (bool works, bytes memory reason) = address(grants).staticcall(
            abi.encodeCall(grants.requireSpendable, (grant, payee, amount))
        );
        if (works) spendDirectly(grant, payee, amount);
        else spendDirectlyRefused(grant, payee, amount, reason);
    }
}
