// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

/// A grant that the owner only signed, and the agent brings along.
contract ValidateUserOpGrantInsideTest is AccountTest {
    function _inside(Grant memory terms) private returns (Draft memory d) {
        d = draft(terms);
        d.kind = 2;
    }

    function test_validateUserOp_installsAndPays() public {
        Grant memory terms = standardGrant();
        Draft memory d = _inside(terms);
        PackedUserOperation memory op = build(d);
        vm.expectEmit(address(account));
        emit ISpendPolicy.Granted(
            address(account),
            account.policyIdOf(terms),
            agent,
            terms.asset,
            terms.payees,
            d.terms,
            0
        );
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
        assertEq(token.balanceOf(payees[d.payee]), d.amount);
        send(draft(terms));
    }

    function test_validateUserOp_reverts_grantReplay() public {
        Grant memory terms = standardGrant();
        send(_inside(terms));
        refused(
            _inside(terms),
            abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, account.policyIdOf(terms))
        );
    }

    function test_validateUserOp_reverts_grantRevokedBeforeUse() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = account.policyIdOf(terms);
        vm.prank(owner);
        account.revoke(policyId);
        refused(_inside(terms), abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, policyId));
    }

    function test_validateUserOp_fails_otherSigner() public {
        Draft memory d = _inside(standardGrant());
        d.ownerKey = OTHER_KEY;
        unsignedRefused(build(d));
        d.ownerKey = AGENT_KEY;
        unsignedRefused(build(d));
    }

    function test_validateUserOp_fails_otherEpoch(uint256 epoch) public {
        Draft memory d = _inside(standardGrant());
        d.epoch = bound(epoch, 1, type(uint256).max);
        unsignedRefused(build(d));
    }

    /// `revokeAll` also ends grants that were signed and not used yet.
    function test_validateUserOp_fails_oldEpoch() public {
        Draft memory d = _inside(standardGrant());
        vm.prank(owner);
        account.revokeAll();
        unsignedRefused(build(d));
        d.epoch = 1;
        send(d);
    }

    function test_validateUserOp_keepsCountersAcrossEpochs() public {
        Grant memory terms = standardGrant();
        (terms.perCall, terms.perWindow) = (5 ether, 8 ether);
        Draft memory d = _inside(terms);
        d.amount = 5 ether;
        send(d);
        vm.prank(owner);
        account.revokeAll();
        d = _inside(terms);
        d.amount = 5 ether;
        refused(d, abi.encodeWithSelector(ISpendPolicy.OverWindow.selector, 10 ether, 8 ether));
        d.amount = 3 ether;
        send(d);
        assertEq(account.usage(account.policyIdOf(terms)).spent, 8000);
    }

    function test_validateUserOp_reverts_grantWhileFrozen() public {
        vm.prank(owner);
        account.freeze();
        refused(_inside(standardGrant()), abi.encodeWithSelector(ISpendPolicy.Frozen.selector));
    }

    function test_validateUserOp_reverts_bucketTooShort() public {
        Grant memory terms = standardGrant();
        terms.bucket = 299;
        refused(_inside(terms), abi.encodeWithSelector(ISpendPolicy.BucketTooShort.selector, 299, 300));
    }

    function test_validateUserOp_reverts_zeroAgent() public {
        Grant memory terms = standardGrant();
        terms.agent = address(0);
        refused(_inside(terms), abi.encodeWithSelector(ISpendPolicy.ZeroAgent.selector));
    }

    function test_validateUserOp_reverts_ownPartAsAsset() public {
        address[3] memory own = [address(account), address(entryPoint), address(log)];
        for (uint256 i = 0; i < 3; ++i) {
            Grant memory terms = standardGrant();
            terms.asset = own[i];
            refused(_inside(terms), abi.encodeWithSelector(ISpendPolicy.AssetNotAllowed.selector, own[i]));
        }
    }

    /// A bad signature recovers to zero; that is not the owner of an account without one.
    function test_validateUserOp_fails_accountWithoutOwner() public {
        account = IAgentAccount(Clones.clone(factory.implementation()));
        entryPoint.depositTo{value: 1 ether}(address(account));
        token.mint(address(account), 10 ether);
        PackedUserOperation memory op = build(_inside(standardGrant()));
        bytes memory signature = op.signature;
        for (uint256 i = signature.length - 64; i < signature.length; ++i) signature[i] = 0;
        unsignedRefused(op);
    }

    /// Deployment, grant and first payment in one operation.
    function test_validateUserOp_deploysInstallsAndPays() public {
        account = IAgentAccount(factory.getAddress(owner, 5));
        token.mint(address(account), 10 ether);
        entryPoint.depositTo{value: 1 ether}(address(account));
        Grant memory terms = standardGrant();
        IAgentAccount twin = IAgentAccount(factory.createAccount(other, 6));
        Draft memory d;
        d.terms = twin.termsOf(terms);
        (d.grant, d.kind, d.agentKey, d.ownerKey) = (terms, 2, AGENT_KEY, OWNER_KEY);
        (d.payee, d.amount, d.validAfter, d.span, d.size) = (1, 1 ether, time - 1, 300, 1);
        PackedUserOperation memory op = unsigned(callDataOf(d), laneOf(agent, 0));
        op.initCode = abi.encodePacked(factory, abi.encodeCall(factory.createAccount, (owner, 5)));
        bytes32 policyId = twin.policyIdOf(terms);
        op.signature = bytes.concat(
            abi.encodePacked(uint8(2), agent),
            compact(AGENT_KEY, digest(operationHash(userOpHash(op), policyId, d))),
            abi.encodePacked(uint32(d.validAfter), uint16(d.span), uint32(d.size), d.root, d.terms),
            tail(d, policyId)
        );
        send(op);
        assertEq(token.balanceOf(payees[1]), 1 ether);
        assertEq(account.owner(), owner);
    }
}
