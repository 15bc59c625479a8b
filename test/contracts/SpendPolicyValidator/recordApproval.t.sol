// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

/// How an operation uses it: validateUserOp.ruled.t.sol.
contract RecordApprovalTest is ValidatorTest {
    bytes32 private constant POLICY = keccak256("policy");
    bytes32 private constant CALL = keccak256("call");

    function _hash() private view returns (bytes32) {
        return approvalHash(other, POLICY, CALL, 1, START);
    }

    function _record(bytes memory signature) private {
        module.recordApproval(address(account), other, POLICY, CALL, 1, START, signature);
    }

    function test_recordApproval_bySignature() public {
        vm.expectEmit(address(module));
        emit ISpendPolicy.ApprovalRecorded(address(account), other, _hash());
        _record(compact(OTHER_KEY, digest(_hash())));
        assertEq(module.approvalState(address(account), _hash()), 1);
        assertEq(module.approvalState(address(bare), _hash()), 0);
    }

    function test_recordApproval_byTheApprover() public {
        vm.prank(other);
        _record("");
        assertEq(module.approvalState(address(account), _hash()), 1);
    }

    function test_recordApproval_reverts_otherSignatures() public {
        bytes32 hash = _hash();
        bytes[4] memory signatures = [
            compact(OWNER_KEY, digest(hash)),
            compact(OTHER_KEY, digest(module, address(bare), hash)),
            compact(OTHER_KEY, hash),
            bytes("")
        ];
        for (uint256 i = 0; i < signatures.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.WrongSigner.selector, other));
            _record(signatures[i]);
        }
    }
}
