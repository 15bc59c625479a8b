// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IDecisionLog} from "../../../contracts/interfaces/IDecisionLog.sol";
import {Grant, ISpendPolicy, Usage} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

/// An operation that only commits a decision.
contract ValidateUserOpEmptyTest is AccountTest {
    function _empty(Grant memory terms) private returns (Draft memory d) {
        d = draft(terms);
        d.kind = 3;
        d.amount = 0;
    }

    function test_validateUserOp_commitsWithoutCall() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        send(draft(terms));
        Usage memory before = account.usage(policyId);
        Draft memory d = _empty(terms);
        PackedUserOperation memory op = build(d);
        vm.expectEmit(address(log));
        emit IDecisionLog.Committed(address(account), address(account), agent, d.size, d.root);
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
        Usage memory used = account.usage(policyId);
        assertEq(used.size, d.size);
        assertEq(used.gasSpent, 2 * before.gasSpent);
        assertEq(used.spent, before.spent);
        assertEq(uint128(account.counters(policyId)), before.ring[0]);
    }

    /// Whoever may pay nobody may still log.
    function test_validateUserOp_commitsWithoutPayees() public {
        Grant memory terms = standardGrant();
        terms.payees = 0;
        install(terms);
        send(_empty(terms));
    }

    function test_validateUserOp_reverts_emptyKindWithCall() public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = _empty(terms);
        d.callData = single(address(token), 0, abi.encodeCall(token.transfer, (payees[3], 1)));
        refused(d, abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector));
    }

    function test_validateUserOp_reverts_paymentKindWithoutCall() public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = _empty(terms);
        PackedUserOperation memory op = build(d);
        d.kind = 1;
        sign(op, d);
        refused(op, abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector));
    }

    function test_validateUserOp_reverts_emptyNotGranted() public {
        Grant memory terms = standardGrant();
        refused(_empty(terms), notGranted(terms));
    }

    function test_validateUserOp_reverts_emptyOverLimits() public {
        Grant memory terms = standardGrant();
        terms.feeCap = 0.0009 ether;
        terms.gasBudget = 0.001 ether;
        terms.expiry = START + 240;
        install(terms);
        send(_empty(terms));
        refused(
            _empty(terms),
            abi.encodeWithSelector(ISpendPolicy.OverGasBudget.selector, 0.0018 ether, terms.gasBudget)
        );
        Draft memory d = _empty(terms);
        d.size = 1;
        refused(d, abi.encodeWithSelector(ISpendPolicy.StaleSize.selector, 1, size - 2));
        d.validAfter += 1;
        refused(d, abi.encodeWithSelector(ISpendPolicy.Expired.selector, START + 241, START + 240));
    }
}
