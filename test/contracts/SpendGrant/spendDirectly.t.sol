// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {AgentSpendGrant, ISpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

contract SpendDirectlyTest is SpendGrantTest {
    AgentSpendGrant private _grant;

    function setUp() public override {
        super.setUp();
        _grant = directGrant();
        approve(_grant);
    }

    function _spend(uint256 amount) private {
        spendDirectly(_grant, payees[2], amount);
    }

    function _refused(uint256 amount, bytes memory reason) private {
        spendDirectlyRefused(_grant, payees[2], amount, reason);
    }

    function test_spendDirectly_paysAndTells(uint256 amount) public {
        amount = bound(amount, 0, 5 ether);
        bytes32 hash = digestOf(_grant);
        vm.expectEmit(address(log));
        emit IDecisionLog.Committed(address(grants), payer, agent, 7, "root");
        vm.expectEmit(address(grants));
        emit ISpendGrant.Spent(hash, payees[2], amount);
        vm.prank(agent);
        grants.spendDirectly(_grant, payees[2], amount, Source.Token, 7, "root");
        assertEq(token.balanceOf(payees[2]), amount);
        assertEq(token.balanceOf(payer), 1_000_000 ether - amount);
        assertEq(token.allowance(payer, address(grants)), 1_000_000 ether - amount);
    }

    function test_spendDirectly_eachPayee() public {
        for (uint256 i = 0; i < payees.length; ++i) {
            spendDirectly(_grant, payees[i], 1 ether);
            assertEq(token.balanceOf(payees[i]), 1 ether);
        }
    }

    // Who.

    function test_spendDirectly_reverts_anybodyElse(address caller) public {
        vm.assume(caller != agent && caller != address(vm));
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgent.selector, caller, agent));
        vm.prank(caller);
        grants.spendDirectly(_grant, payees[2], 1, Source.Token, 7, "root");
    }

    /// Neither the account nor its agent's key comes past `spend`.
    function test_spendDirectly_reverts_forAccounts() public {
        AgentSpendGrant memory grant = accountGrant();
        approve(grant);
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgent.selector, agent, address(account)));
        vm.prank(agent);
        grants.spendDirectly(grant, payees[2], 1, Source.Token, 7, "root");
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgent.selector, address(account), agent));
        vm.prank(address(account));
        grants.spendDirectly(grant, payees[2], 1, Source.Token, 7, "root");
    }

    // Which grant.

    function test_spendDirectly_reverts_notApproved() public {
        _grant.salt = 2;
        _refused(1, abi.encodeWithSelector(ISpendPolicy.NotGranted.selector, digestOf(_grant)));
    }

    /// Whatever is changed in a grant, it is another one, which nobody approved.
    function test_spendDirectly_reverts_changed(uint256 field) public {
        field = bound(field, 0, 10);
        if (field == 0) _grant.token = address(log);
        if (field == 1) _grant.perCall += 1;
        if (field == 2) _grant.perWindow += 1;
        if (field == 3) _grant.window -= 6;
        if (field == 4) _grant.total += 1;
        if (field == 5) _grant.validAfter -= 1;
        if (field == 6) _grant.validUntil += 1;
        if (field == 7) _grant.payees[7] = other;
        if (field == 8) _grant.anyPayee = true;
        if (field == 9) _grant.purpose = "";
        if (field == 10) _grant.policyHash = "";
        _refused(1, abi.encodeWithSelector(ISpendPolicy.NotGranted.selector, digestOf(_grant)));
    }

    /// Another payer's tokens: the grant is keyed by its payer.
    function test_spendDirectly_reverts_otherPayer() public {
        allow(owner, 1 ether);
        token.mint(owner, 1 ether);
        _grant.account = owner;
        _refused(1, abi.encodeWithSelector(ISpendPolicy.NotGranted.selector, digestOf(_grant)));
    }

    /// Bits above a field make another hash, not another meaning.
    function test_spendDirectly_reverts_dirtyWords(uint256 field, uint256 dirt) public {
        uint256[11] memory widths = [uint256(160), 160, 160, 160, 160, 160, 48, 160, 48, 48, 64];
        field = bound(field, 0, 10);
        dirt = bound(dirt, 1, type(uint256).max >> widths[field]);
        bytes memory data = abi.encodeCall(
            grants.spendDirectly,
            (_grant, payees[2], 1, Source.Token, 7, "root")
        );
        // selector, six arguments, then the fields; epoch stands two behind the payees' offset
        uint256 place = 36 + 192 + 32 * (field == 10 ? 12 : field);
        assembly ("memory-safe") {
            place := add(data, place)
            mstore(place, or(mload(place), shl(mload(add(widths, mul(field, 32))), dirt)))
        }
        vm.prank(agent);
        (bool done, ) = address(grants).call(data);
        assertTrue(!done, "accepted");
    }

    // When.

    function test_spendDirectly_validAfterIsExclusive() public {
        AgentSpendGrant memory grant = directGrant();
        grant.validAfter = uint48(START + 100);
        approve(grant);
        warp(START + 100);
        spendDirectlyRefused(
            grant,
            payees[0],
            1,
            refusal(ISpendGrant.NotYetValid.selector, START + 100, START + 100)
        );
        warp(START + 101);
        spendDirectly(grant, payees[0], 1);
    }

    function test_spendDirectly_validUntilIsInclusive() public {
        warp(_grant.validUntil);
        _spend(1);
        warp(uint256(_grant.validUntil) + 1);
        _refused(1, refusal(ISpendPolicy.Expired.selector, time, _grant.validUntil));
    }

    // Whom.

    function test_spendDirectly_reverts_notAPayee(address payee) public {
        for (uint256 i = 0; i < payees.length; ++i) vm.assume(payee != payees[i]);
        spendDirectlyRefused(_grant, payee, 1, notPayee(payee));
    }

    /// What stands behind the list in calldata, which anybody may append to, is no payee.
    function test_spendDirectly_reverts_payeeBehindTheList() public {
        bytes memory data = abi.encodeCall(grants.spendDirectly, (_grant, other, 1, Source.Token, 7, "root"));
        bytes[2] memory tails = [abi.encode(other), abi.encode(other, other)];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(agent);
            (bool done, bytes memory reason) = address(grants).call(bytes.concat(data, tails[i]));
            assertTrue(!done, "paid");
            assertEq(keccak256(reason), keccak256(notPayee(other)));
        }
    }

    function test_spendDirectly_anyPayee(address payee) public {
        vm.assume(payee != address(0) && payee != address(grants) && payee != payer);
        AgentSpendGrant memory grant = anybody(directGrant());
        approve(grant);
        uint256 before = token.balanceOf(payee);
        spendDirectly(grant, payee, 2 ether);
        assertEq(token.balanceOf(payee), before + 2 ether);
    }

    function test_spendDirectly_reverts_anyPayeeButThese() public {
        AgentSpendGrant memory grant = anybody(directGrant());
        approve(grant);
        spendDirectlyRefused(grant, address(0), 1, notPayee(address(0)));
        spendDirectlyRefused(grant, address(grants), 1, notPayee(address(grants)));
        spendDirectlyRefused(grant, payer, 1, notPayee(payer));
    }

    // Decisions.

    function test_spendDirectly_reverts_treeDidNotGrow() public {
        vm.prank(agent);
        grants.spendDirectly(_grant, payees[2], 1, Source.Token, 9, "root");
        for (uint32 size_ = 0; size_ < 10; size_ += 3) {
            vm.expectRevert(refusal(ISpendPolicy.StaleSize.selector, size_, 9));
            vm.prank(agent);
            grants.spendDirectly(_grant, payees[2], 1, Source.Token, size_, "root");
        }
        vm.prank(agent);
        grants.spendDirectly(_grant, payees[2], 1, Source.Token, 10, "root");
        vm.prank(agent);
        grants.spendDirectly(_grant, payees[2], 1, Source.Token, type(uint32).max, "root");
        assertEq(grants.budgetOf(_grant).size, type(uint32).max);
    }

    function test_spendDirectly_reverts_firstSizeZero() public {
        vm.expectRevert(refusal(ISpendPolicy.StaleSize.selector, 0, 0));
        vm.prank(agent);
        grants.spendDirectly(_grant, payees[2], 1, Source.Token, 0, "root");
    }

    // How much.

    function test_spendDirectly_perCallIsInclusive() public {
        _spend(5 ether);
        _refused(5 ether + 1, refusal(ISpendPolicy.OverPerCall.selector, 5 ether + 1, 5 ether));
    }

    function test_spendDirectly_perWindowIsInclusive() public {
        for (uint256 i = 0; i < 9; ++i) _spend(5 ether);
        _spend(5 ether - 10 ** 15);
        _spend(10 ** 15);
        _refused(1, refusal(ISpendPolicy.OverWindow.selector, 50 ether + 10 ** 15, 50 ether));
    }

    /// Each spend counts for a whole number of units.
    function test_spendDirectly_countsRoundedUp() public {
        _spend(1);
        _spend(10 ** 15 + 1);
        assertEq(grants.budgetOf(_grant).spent, 3 * 10 ** 15);
    }

    function test_spendDirectly_totalIsInclusive() public {
        AgentSpendGrant memory grant = directGrant();
        grant.total = 52 ether;
        approve(grant);
        for (uint256 i = 0; i < 10; ++i) spendDirectly(grant, payees[0], 5 ether);
        warp(time + 2 days);
        spendDirectly(grant, payees[0], 2 ether);
        spendDirectlyRefused(
            grant,
            payees[0],
            1,
            refusal(ISpendPolicy.OverLifetime.selector, 52 ether + 10 ** 15, 52 ether)
        );
    }

    /// Two grants of one payer add up, and count for themselves.
    function test_spendDirectly_grantsAddUp() public {
        AgentSpendGrant memory second = directGrant();
        second.salt = 2;
        approve(second);
        for (uint256 i = 0; i < 10; ++i) {
            _spend(5 ether);
            spendDirectly(second, payees[2], 5 ether);
        }
        assertEq(token.balanceOf(payees[2]), 100 ether);
    }

    // The token's word.

    function test_spendDirectly_reverts_allowanceTooSmall() public {
        allow(payer, 1 ether);
        _refused(
            2 ether,
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector,
                address(grants),
                1 ether,
                2 ether
            )
        );
        assertEq(grants.budgetOf(_grant).spent, 0);
        _spend(1 ether);
    }

    function test_spendDirectly_reverts_balanceTooSmall() public {
        vm.prank(payer);
        token.transfer(other, 1_000_000 ether - 1);
        _refused(2, abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, payer, 1, 2));
    }
}
