// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "./AccountTest.sol";

/// The same for our own account.
abstract contract AccountMatrixTest is AccountTest {
    function test_matrix_steady() public {
        install(standardGrant());
        for (uint256 i = 1; i <= 2; ++i) {
            Draft memory d = draft(standardGrant());
            send(d);
            assertEq(token.balanceOf(payees[3]), i * d.amount);
        }
    }

    function test_matrix_grantInside() public {
        Draft memory d = draft(standardGrant());
        d.kind = 2;
        send(d);
        send(draft(standardGrant()));
    }

    function test_matrix_owner() public {
        send(ownerOp(single(address(token), 0, abi.encodeCall(token.transfer, (other, 1)))));
        assertEq(token.balanceOf(other), 1);
    }

    function test_matrix_refusesWithItsReason() public {
        Draft memory d = draft(standardGrant());
        refused(d, notGranted(standardGrant()));
        install(standardGrant());
        d.amount = 5 ether + 1;
        refused(d, abi.encodeWithSelector(ISpendPolicy.OverPerCall.selector, 5 ether + 1, 5 ether));
        d.amount = 5 ether;
        d.agentKey = OTHER_KEY;
        unsignedRefused(build(d));
    }

    function test_matrix_enforcesTheClaim() public {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.validAfter = time + 1;
        entryPointRefused(build(d), "AA22 expired or not due");
        d.validAfter = time - 301;
        entryPointRefused(build(d), "AA22 expired or not due");
    }

    function test_matrix_noReplay() public {
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

    function test_matrix_stoppedInBundle() public {
        bytes32 policyId = install(standardGrant());
        bytes memory stop = single(address(account), 0, abi.encodeCall(account.revoke, (policyId)));
        bool[] memory success = send(bundle(ownerOp(stop), build(draft(standardGrant()))));
        assertTrue(success[0] && !success[1], "the agent was not stopped");
    }

    function test_matrix_paysWhatIsMissing() public {
        install(standardGrant());
        vm.prank(owner);
        account.withdrawDeposit(payable(owner), 100 ether);
        send(draft(standardGrant()));
    }
}
