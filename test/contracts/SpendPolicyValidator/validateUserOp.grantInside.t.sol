// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ISpendPolicyValidator} from "../../../contracts/interfaces/ISpendPolicyValidator.sol";
import {Draft} from "../base/AccountTest.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

/// A grant that the module's owner only signed, and the agent brings along.
contract ValidateUserOpGrantInsideTest is ValidatorTest {
    function _inside(Grant memory terms) private returns (Draft memory d) {
        d = draft(terms);
        d.kind = 2;
    }

    /// Puts another owner's signature into an operation of kind 2 and signs it anew: the agent does not sign over it.
    function _withInstall(Draft memory d, bytes32 hash) private view returns (PackedUserOperation memory op) {
        op = build(d);
        bytes memory signature = compact(d.ownerKey, hash);
        for (uint256 i = 0; i < 64; ++i) op.signature[op.signature.length - 64 + i] = signature[i];
    }

    function test_validateUserOp_installsAndPays() public {
        Grant memory terms = standardGrant();
        Draft memory d = _inside(terms);
        PackedUserOperation memory op = build(d);
        vm.expectEmit(address(module));
        emit ISpendPolicy.Granted(
            address(account),
            policyIdOf(terms),
            agent,
            terms.asset,
            terms.payees,
            d.terms,
            0
        );
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
        assertEq(token.balanceOf(payees[3]), d.amount);
        send(draft(terms));
        use(bare);
        send(_inside(terms));
    }

    function test_validateUserOp_reverts_grantReplay() public {
        Grant memory terms = standardGrant();
        send(_inside(terms));
        refused(
            _inside(terms),
            abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, policyIdOf(terms))
        );
    }

    function test_validateUserOp_fails_grantForAnotherAccount() public {
        Draft memory d = _inside(standardGrant());
        bytes32 hash = installHash(policyIdOf(d.grant), 0);
        unsignedRefused(_withInstall(d, digest(module, address(bare), hash)));
        unsignedRefused(_withInstall(d, digest(module, address(0), hash)));
        send(_withInstall(d, digest(module, address(account), hash)));
    }

    /// Another deployment of the module is another domain: grants and operations of one are nothing to the other.
    function test_validateUserOp_fails_grantForAnotherModule() public {
        ISpendPolicyValidator twin = newModule();
        Draft memory d = _inside(standardGrant());
        bytes32 hash = installHash(policyIdOf(d.grant), 0);
        unsignedRefused(_withInstall(d, digest(twin, address(account), hash)));
    }

    /// An account has both modules; what was signed for one is sent through the other.
    function test_validateUserOp_fails_replayThroughAnotherModule() public {
        ISpendPolicyValidator twin = newModule();
        bytes memory data = abi.encodePacked(owner);
        send(
            rootOp(
                single(
                    address(account),
                    0,
                    abi.encodeCall(hooked.installModule, (VALIDATOR, address(twin), data))
                )
            )
        );
        Draft memory d = _inside(standardGrant());
        d.nonceKey = laneOf(twin, agent);
        unsignedRefused(build(d));
        vm.prank(owner);
        twin.grant(address(account), d.grant);
        d.kind = 1;
        unsignedRefused(build(d));
        d = _inside(standardGrant());
        send(d);
    }

    function test_validateUserOp_fails_otherSigner() public {
        Draft memory d = _inside(standardGrant());
        uint256[3] memory keys = [OTHER_KEY, AGENT_KEY, ROOT_KEY];
        for (uint256 i = 0; i < keys.length; ++i) {
            d.ownerKey = keys[i];
            unsignedRefused(build(d));
        }
    }

    function test_validateUserOp_reverts_grantRevokedBeforeUse() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = policyIdOf(terms);
        vm.prank(owner);
        module.revoke(address(account), policyId);
        refused(_inside(terms), abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, policyId));
    }

    function test_validateUserOp_fails_oldEpoch() public {
        Draft memory d = _inside(standardGrant());
        vm.prank(owner);
        module.revokeAll(address(account));
        unsignedRefused(build(d));
        d.epoch = 1;
        send(d);
    }

    function test_validateUserOp_reverts_grantWhileFrozen() public {
        vm.prank(owner);
        module.freeze(address(account));
        refused(_inside(standardGrant()), frozenError());
    }

    function test_validateUserOp_reverts_ownPartAsAsset() public {
        address[6] memory own = [
            address(account),
            address(module),
            address(log),
            address(0x70),
            address(entryPoint),
            address(0x90)
        ];
        for (uint256 i = 0; i < own.length; ++i) {
            Grant memory terms = standardGrant();
            terms.asset = own[i];
            refused(_inside(terms), abi.encodeWithSelector(ISpendPolicy.AssetNotAllowed.selector, own[i]));
        }
    }

    /// Without an owner nobody's signature grants, not even one that recovers to zero.
    function test_validateUserOp_fails_accountWithoutOwner() public {
        use(newAccount(hookedImplementation, ""));
        Draft memory d = _inside(standardGrant());
        unsignedRefused(build(d));
        PackedUserOperation memory op = build(d);
        for (uint256 i = op.signature.length - 64; i < op.signature.length; ++i) op.signature[i] = 0;
        unsignedRefused(op);
    }

    function test_validateUserOp_fails_formerOwner() public {
        Draft memory d = _inside(standardGrant());
        vm.prank(address(account));
        module.setOwner(other);
        unsignedRefused(build(d));
        d.ownerKey = OTHER_KEY;
        send(d);
    }
}
