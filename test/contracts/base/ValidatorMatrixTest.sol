// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {CallProof, Approval} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "./AccountTest.sol";
import {ValidatorTest} from "./ValidatorTest.sol";

/// What each EntryPoint has to do with the module: validation, reasons, claims, bundles, nonces.
abstract contract ValidatorMatrixTest is ValidatorTest {
    modifier both() {
        _;
        use(bare);
        _;
    }

    function test_matrix_steady() public both {
        install(standardGrant());
        uint256 before = token.balanceOf(payees[3]);
        for (uint256 i = 1; i <= 2; ++i) {
            Draft memory d = draft(standardGrant());
            send(d);
            assertEq(token.balanceOf(payees[3]), before + i * d.amount);
        }
    }

    function test_matrix_grantInside() public both {
        Draft memory d = draft(standardGrant());
        d.kind = 2;
        send(d);
        send(draft(standardGrant()));
    }

    function test_matrix_empty() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.kind = 3;
        send(build(d));
        assertEq(module.usage(address(account), policyIdOf(d.grant)).size, d.size);
    }

    function test_matrix_ruled() public both {
        Draft memory d = draft(standardGrant());
        d.grant.payees = bytes32(uint256(uint160(payees[3])));
        d.grant.extras.operations = 1;
        Approval memory none;
        send(buildRuled(d, new CallProof[](1), none, true));
        ++d.size;
        refused(
            buildRuled(d, new CallProof[](1), none, false),
            abi.encodeWithSelector(ISpendPolicy.TooManyOperations.selector, 2, 1)
        );
    }

    function test_matrix_refusesWithItsReason() public both {
        Draft memory d = draft(standardGrant());
        refused(d, notGranted(standardGrant()));
        install(standardGrant());
        d.amount = 5 ether + 1;
        refused(d, abi.encodeWithSelector(ISpendPolicy.OverPerCall.selector, 5 ether + 1, 5 ether));
    }

    function test_matrix_refusesOtherSigners() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.agentKey = OTHER_KEY;
        unsignedRefused(build(d));
    }

    function test_matrix_enforcesTheClaim() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.validAfter = time + 1;
        entryPointRefused(build(d), "AA22 expired or not due");
        d.validAfter = time - 301;
        entryPointRefused(build(d), "AA22 expired or not due");
        d.validAfter = time - 1;
        send(d);
    }

    function test_matrix_noReplay() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        PackedUserOperation memory op = build(d);
        send(op);
        refused(op, abi.encodeWithSelector(ISpendPolicy.StaleSize.selector, d.size, d.size));
        // The nonce of a later operation is not this one's turn.
        op = build(draft(standardGrant()));
        ++d.size;
        ++op.nonce;
        sign(op, d);
        entryPointRefused(op, "AA25 invalid account nonce");
    }

    function test_matrix_noPaymaster() public both {
        install(standardGrant());
        entryPoint.depositTo{value: 1 ether}(address(this));
        Draft memory d = draft(standardGrant());
        d.paymasterAndData = abi.encodePacked(address(this), uint128(100_000), uint128(0));
        refused(d, abi.encodeWithSelector(ISpendPolicy.PaymasterNotAllowed.selector, address(this)));
    }

    function test_matrix_noExecuteUserOp() public both {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.callData = bytes.concat(hex"8dd7712f", callDataOf(d));
        refused(d, abi.encodeWithSelector(ISpendPolicy.CallNotAllowed.selector));
    }

    function test_matrix_ownPart() public both {
        Grant memory terms = standardGrant();
        terms.asset = address(entryPoint);
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.AssetNotAllowed.selector, address(entryPoint)));
        install(terms);
    }

    function _stoppedInBundle(bytes memory stop) private returns (bool paid) {
        bool[] memory success = send(bundle(rootCall(stop), build(draft(standardGrant()))));
        assertTrue(success[0], "the stop failed");
        return success[1];
    }

    /// Also: without the hook it is too late for this bundle.
    function test_matrix_stoppedInBundle() public {
        bytes32 policyId = policyIdOf(standardGrant());
        install(standardGrant());
        assertTrue(
            !_stoppedInBundle(abi.encodeCall(module.revoke, (address(account), policyId))),
            "paid in spite of the hook"
        );
        use(bare);
        install(standardGrant());
        assertTrue(_stoppedInBundle(abi.encodeCall(module.freeze, (address(account)))), "not paid");
        refused(draft(standardGrant()), frozenError());
    }
}
