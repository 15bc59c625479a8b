// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ISpendPolicyValidator} from "../../../contracts/interfaces/ISpendPolicyValidator.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

contract GrantBySignatureTest is ValidatorTest, IERC1271 {
    bytes32 private _signed;

    /// This test is an owner that is a contract.
    function isValidSignature(bytes32 hash, bytes calldata) external view returns (bytes4) {
        return hash == _signed ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function _hash(uint256 epoch) private view returns (bytes32) {
        return installHash(policyIdOf(standardGrant()), epoch);
    }

    function _refused(bytes memory signature, address expected) private {
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.WrongSigner.selector, expected));
        module.grantBySignature(address(account), standardGrant(), signature);
    }

    function test_grantBySignature_byAnybody(address caller) public {
        vm.assume(caller != address(vm));
        bytes memory signature = compact(OWNER_KEY, digest(_hash(0)));
        vm.prank(caller);
        assertEq(
            module.grantBySignature(address(account), standardGrant(), signature),
            policyIdOf(standardGrant())
        );
        send(draft(standardGrant()));
        vm.expectRevert(
            abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, policyIdOf(standardGrant()))
        );
        module.grantBySignature(address(account), standardGrant(), signature);
    }

    function test_grantBySignature_long() public {
        module.grantBySignature(address(account), standardGrant(), long(OWNER_KEY, digest(_hash(0))));
        send(draft(standardGrant()));
    }

    function test_grantBySignature_ownerIsContract() public {
        vm.prank(address(account));
        module.setOwner(address(this));
        _refused("", address(this));
        _signed = digest(_hash(0));
        module.grantBySignature(address(account), standardGrant(), "");
        send(draft(standardGrant()));
    }

    function test_grantBySignature_reverts_others() public {
        uint256[3] memory keys = [AGENT_KEY, OTHER_KEY, ROOT_KEY];
        for (uint256 i = 0; i < keys.length; ++i) _refused(compact(keys[i], digest(_hash(0))), owner);
        _refused(compact(OWNER_KEY, digest(_hash(1))), owner);
        _refused("", owner);
    }

    function test_grantBySignature_reverts_forOtherAccountOrModule() public {
        _refused(compact(OWNER_KEY, digest(module, address(bare), _hash(0))), owner);
        ISpendPolicyValidator twin = newModule();
        _refused(compact(OWNER_KEY, digest(twin, address(account), _hash(0))), owner);
    }

    function test_grantBySignature_reverts_withoutOwner() public {
        use(newAccount(hookedImplementation, ""));
        _refused(compact(OWNER_KEY, digest(_hash(0))), address(0));
        _refused(new bytes(64), address(0));
        _refused(new bytes(65), address(0));
    }

    function test_grantBySignature_reverts_oldEpoch() public {
        bytes memory signature = compact(OWNER_KEY, digest(_hash(0)));
        vm.prank(owner);
        module.revokeAll(address(account));
        _refused(signature, owner);
    }
}
