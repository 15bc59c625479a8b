// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ISpendPolicyValidator} from "../../../contracts/interfaces/ISpendPolicyValidator.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

/// Whose storage is whose. ERC-7562 STO-021 on a real trace: test/integration/erc7562.test.ts.
contract StorageTest is ValidatorTest {
    uint256 private constant HEADS = 0;
    uint256 private constant ENTRIES = 1;
    uint256 private constant CAPS = 2;
    uint256 private constant APPROVALS = 3;
    uint256 private constant GUARDIANS = 4;

    function _load(bytes32 slot) private view returns (uint256) {
        return uint256(vm.load(address(module), slot));
    }

    /// Every slot is keccak256(account, …) + 0 or 1: associated with the account.
    function test_storage_accountIsInnermost() public {
        Grant memory terms = standardGrant();
        terms.extras.operations = 5;
        bytes32 policyId = install(terms);
        bytes32 approval = approvalHash(other, policyId, 0, 1, START);
        vm.prank(owner);
        module.setCap(address(account), address(token), 8 ether, BUCKET);
        vm.prank(owner);
        module.setGuardian(address(account), other, true);
        vm.prank(other);
        module.recordApproval(address(account), other, policyId, 0, 1, START, "");
        assertEq(uint160(_load(slotOf(HEADS, address(account)))), uint160(owner));
        assertEq(_load(slotOf(ENTRIES, policyId, address(account))), uint256(1) << 248);
        assertEq(
            _load(slotOf(CAPS, bytes32(uint256(uint160(address(token)))), address(account))),
            module.capCounters(address(account), address(token))
        );
        assertEq(_load(slotOf(APPROVALS, approval, address(account))), 1);
        assertEq(_load(slotOf(GUARDIANS, bytes32(uint256(uint160(other))), address(account))), 1);
    }

    /// Everything a hostile account can call, for itself and with the victim's address.
    function test_storage_hostileAccountTouchesNoOther(address hostile) public {
        vm.assume(hostile != owner && hostile != address(account) && hostile != address(vm));
        vm.assume(hostile != address(0));
        Grant memory terms = standardGrant();
        bytes32 policyId = install(terms);
        send(draft(terms));
        uint256 head = _load(slotOf(HEADS, address(account)));
        uint256 counters = module.counters(address(account), policyId);

        Grant memory other_ = standardGrant();
        other_.agent = hostile;
        bytes[13] memory calls = [
            abi.encodeCall(module.onInstall, (abi.encodePacked(hostile))),
            abi.encodeCall(module.onUninstall, ("")),
            abi.encodeCall(module.setOwner, (hostile)),
            abi.encodeCall(module.grant, (hostile, terms)),
            abi.encodeCall(module.replace, (hostile, terms, other_)),
            abi.encodeCall(module.revoke, (hostile, policyId)),
            abi.encodeCall(module.revokeAll, (hostile)),
            abi.encodeCall(module.freeze, (hostile)),
            abi.encodeCall(module.unfreeze, (hostile)),
            abi.encodeCall(module.setGuardian, (hostile, hostile, true)),
            abi.encodeCall(module.heartbeat, (hostile)),
            abi.encodeCall(module.setCap, (hostile, address(token), 1, 300)),
            abi.encodeCall(module.preCheck, (address(account), 0, ""))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(hostile);
            (bool ok, ) = address(module).call(calls[i]);
            assertTrue(ok, string.concat("for itself: ", vm.toString(i)));
        }
        calls[0] = abi.encodeCall(module.grant, (address(account), other_));
        calls[1] = abi.encodeCall(module.grantBySignature, (address(account), other_, new bytes(64)));
        calls[2] = abi.encodeCall(module.replace, (address(account), terms, other_));
        calls[3] = abi.encodeCall(module.revoke, (address(account), policyId));
        calls[4] = abi.encodeCall(module.revokeAll, (address(account)));
        calls[5] = abi.encodeCall(module.freeze, (address(account)));
        calls[6] = abi.encodeCall(module.unfreeze, (address(account)));
        calls[7] = abi.encodeCall(module.setGuardian, (address(account), hostile, true));
        calls[8] = abi.encodeCall(module.heartbeat, (address(account)));
        calls[9] = abi.encodeCall(module.setCap, (address(account), address(token), 1, 300));
        calls[10] = abi.encodeCall(
            module.recordApproval,
            (address(account), owner, policyId, 0, 0, 0, new bytes(64))
        );
        for (uint256 i = 0; i <= 10; ++i) {
            vm.prank(hostile);
            (bool ok, ) = address(module).call(calls[i]);
            assertTrue(!ok, string.concat("for another: ", vm.toString(i)));
        }
        assertEq(_load(slotOf(HEADS, address(account))), head);
        assertEq(module.counters(address(account), policyId), counters);
        assertEq(module.capCounters(address(account), address(token)), 0);
        send(draft(terms));
    }
}
