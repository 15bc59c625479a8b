// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAllowanceTransfer} from "../../../contracts/interfaces/IAllowanceTransfer.sol";
import {AgentSpendGrant, ISpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {IMulticall, SpendGrantTest} from "../base/SpendGrantTest.sol";
import {IPermit2, Permit2Digest} from "../base/Permit2.sol";

/// Allowances through Permit2, and spends that use them.
contract BringPermit2Test is SpendGrantTest {
    using Permit2Digest for IPermit2;

    function setUp() public override {
        super.setUp();
        deployPermit2();
        allow(payer, 0);
        vm.prank(payer);
        token.approve(PERMIT2, type(uint256).max);
    }

    function _single(uint160 amount) private view returns (IAllowanceTransfer.PermitSingle memory) {
        return
            IAllowanceTransfer.PermitSingle(
                IAllowanceTransfer.PermitDetails(address(token), amount, uint48(START + 30 days), 0),
                address(grants),
                time
            );
    }

    function _bring(uint160 amount) private returns (bool) {
        IAllowanceTransfer.PermitSingle memory single = _single(amount);
        return grants.bringPermit2(payer, single, signed(PAYER_KEY, IPermit2(PERMIT2).digestOf(single)));
    }

    function _spend(
        AgentSpendGrant memory grant,
        uint256 amount,
        Source source,
        bytes memory reason
    ) private {
        uint32 size_ = uint32(++size);
        if (reason.length != 0) vm.expectRevert(reason);
        vm.prank(agent);
        grants.spendDirectly(grant, payees[0], amount, source, size_, "root");
    }

    function test_bringPermit2_setsTheAllowance() public {
        assertTrue(_bring(1000 ether), "refused");
        (uint160 amount, uint48 expiration, uint48 nonce) = IPermit2(PERMIT2).allowance(
            payer,
            address(token),
            address(grants)
        );
        assertEq(amount, 1000 ether);
        assertEq(expiration, START + 30 days);
        assertEq(nonce, 1);
    }

    function test_bringPermit2_twice() public {
        assertTrue(_bring(1000 ether), "refused");
        assertTrue(!_bring(1000 ether), "accepted twice");
    }

    function test_bringPermit2_wrongSignature() public {
        IAllowanceTransfer.PermitSingle memory single = _single(1);
        bytes memory signature = signed(OTHER_KEY, IPermit2(PERMIT2).digestOf(single));
        assertTrue(!grants.bringPermit2(payer, single, signature), "accepted");
    }

    function test_bringPermit2_spends() public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        _bring(8 ether);
        _spend(grant, 5 ether, Source.Permit2, "");
        assertEq(token.balanceOf(payees[0]), 5 ether);
        _spend(
            grant,
            5 ether,
            Source.Permit2,
            abi.encodeWithSelector(IPermit2.InsufficientAllowance.selector, 3 ether)
        );
        warp(START + 30 days);
        _spend(grant, 1 ether, Source.Permit2, "");
    }

    /// Two allowances, one set of counters.
    function test_bringPermit2_limitsHoldAcrossBoth() public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        _bring(1000 ether);
        allow(payer, 1000 ether);
        for (uint256 i = 0; i < 10; ++i)
            _spend(grant, 5 ether, i % 2 == 0 ? Source.Permit2 : Source.Token, "");
        bytes memory reason = refusal(ISpendPolicy.OverWindow.selector, 50 ether + 10 ** 15, 50 ether);
        _spend(grant, 1, Source.Permit2, reason);
        _spend(grant, 1, Source.Token, reason);
        assertEq(token.balanceOf(payees[0]), 50 ether);
    }

    /// Where Permit2 is not, nothing arrives.
    function test_bringPermit2_reverts_withoutPermit2() public {
        vm.etch(PERMIT2, "");
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        vm.prank(agent);
        (bool done, ) = address(grants).call(
            abi.encodeCall(grants.spendDirectly, (grant, payees[0], 1, Source.Permit2, 1, "root"))
        );
        assertTrue(!done, "spent");
        assertEq(grants.budgetOf(grant).spent, 0);
    }

    function test_bringPermit2_allInOneTransaction() public {
        AgentSpendGrant memory grant = directGrant();
        IAllowanceTransfer.PermitSingle memory single = _single(1000 ether);
        bytes[] memory calls = new bytes[](3);
        calls[0] = abi.encodeCall(
            grants.bringPermit2,
            (payer, single, signed(PAYER_KEY, IPermit2(PERMIT2).digestOf(single)))
        );
        calls[1] = abi.encodeCall(grants.approveBySignature, (grant, signedBy(PAYER_KEY, grant)));
        calls[2] = abi.encodeCall(
            grants.spendDirectly,
            (grant, payees[0], 5 ether, Source.Permit2, 1, bytes32("root"))
        );
        vm.prank(agent);
        IMulticall(address(grants)).multicall(calls);
        assertEq(token.balanceOf(payees[0]), 5 ether);
    }
}
