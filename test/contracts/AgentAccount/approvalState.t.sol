// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountTest} from "../base/AccountTest.sol";

/// How it becomes 1 and 2: recordApproval.t.sol, validateUserOp.extras.t.sol.
contract ApprovalStateTest is AccountTest {
    /// 0 unknown, 1 recorded: of exactly what was recorded. Recording again changes nothing.
    function test_approvalState_isOfOneApproval(uint256 nonce, uint256 deadline, bytes32 callHash) public {
        bytes32 policyId = account.policyIdOf(standardGrant());
        bytes32 hash = _hash(policyId, callHash, nonce, deadline);
        assertEq(account.approvalState(hash), 0);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(other);
            account.recordApproval(other, policyId, callHash, nonce, deadline, "");
            assertEq(account.approvalState(hash), 1);
        }
        unchecked {
            assertEq(account.approvalState(_hash(policyId, callHash, nonce + 1, deadline)), 0);
            assertEq(account.approvalState(_hash(policyId, callHash, nonce, deadline + 1)), 0);
        }
        assertEq(account.approvalState(_hash(policyId, ~callHash, nonce, deadline)), 0);
    }

    function _hash(
        bytes32 policyId,
        bytes32 callHash,
        uint256 nonce,
        uint256 deadline
    ) private view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "Approval(address approver,bytes32 policyId,bytes32 callHash,uint256 nonce,uint256 deadline)"
                    ),
                    other,
                    policyId,
                    callHash,
                    nonce,
                    deadline
                )
            );
    }
}
