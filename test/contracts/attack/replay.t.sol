// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEntryPoint, PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

/// What was signed for one place and time, shown at another.
contract ReplayTest is AccountTest {
    function test_attack_otherChain(uint8 kind) public {
        Grant memory terms = standardGrant();
        Draft memory d = draft(terms);
        d.kind = uint8(bound(kind, 1, 3));
        if (d.kind != 2) install(terms);
        PackedUserOperation memory op = build(d);
        vm.chainId(31_338);
        unsignedRefused(op);
    }

    /// The owner's grant of another chain, in an operation that the agent signs for this one.
    function test_attack_grantOfOtherChain() public {
        Grant memory terms = standardGrant();
        Draft memory d = draft(terms);
        d.kind = 2;
        bytes memory grantThere = _end(build(d).signature);
        vm.chainId(31_338);
        _freshChain();
        PackedUserOperation memory op = this.signedNow(d);
        for (uint256 i = 0; i < 64; ++i) op.signature[op.signature.length - 64 + i] = grantThere[i];
        unsignedRefused(op);
        send(this.signedNow(d));
    }

    /// Signed in the name of the implementation, where all clones' code is.
    function test_attack_domainOfTheImplementation() public {
        Grant memory terms = standardGrant();
        install(terms);
        Draft memory d = draft(terms);
        IAgentAccount clone = account;
        PackedUserOperation memory op = build(d);
        account = IAgentAccount(factory.implementation());
        bytes memory wrong = compact(
            AGENT_KEY,
            digest(operationHash(userOpHash(op), clone.policyIdOf(terms), d))
        );
        account = clone;
        for (uint256 i = 0; i < 64; ++i) op.signature[21 + i] = wrong[i];
        unsignedRefused(op);
    }

    function test_attack_otherEntryPoint() public {
        install(standardGrant());
        PackedUserOperation memory op = build(draft(standardGrant()));
        string memory artifact = vm.readFile(
            "node_modules/@account-abstraction/contracts/artifacts/EntryPoint.json"
        );
        IEntryPoint twin = IEntryPoint(deploy(vm.parseJsonBytes(artifact, ".bytecode")));
        twin.depositTo{value: 1 ether}(address(account));
        vm.expectRevert(
            abi.encodeWithSelector(
                IEntryPoint.FailedOpWithRevert.selector,
                0,
                "AA23 reverted",
                abi.encodeWithSelector(IAgentAccount.NotEntryPoint.selector, twin)
            )
        );
        vm.prank(bundler, bundler);
        twin.handleOps(bundle(op), payable(bundler));
    }

    /// One grant inside two operations of a bundle, and a revocation between two uses.
    function test_attack_grantTwiceInBundle() public {
        Grant memory terms = standardGrant();
        Draft memory first = draft(terms);
        Draft memory second = draft(terms);
        (first.kind, second.kind) = (2, 2);
        second.nonceKey = laneOf(agent, 1);
        refused(
            bundle(build(first), build(second)),
            1,
            abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, account.policyIdOf(terms))
        );
        second.kind = 1;
        bool[] memory success = send(bundle(build(first), build(second)));
        assertTrue(success[0] && success[1], "refused");
    }

    /// The owner grants again in a new epoch, inside the bundle that the agent's operation waits in.
    function test_attack_regrantInBundleKeepsCounters() public {
        Grant memory terms = standardGrant();
        (terms.perCall, terms.perWindow) = (5 ether, 8 ether);
        bytes32 policyId = install(terms);
        Draft memory d = draft(terms);
        d.amount = 5 ether;
        send(d);
        vm.prank(owner);
        account.revokeAll();
        PackedUserOperation memory again = ownerOp(
            single(address(account), 0, abi.encodeCall(account.grant, (terms)))
        );
        d = draft(terms);
        d.amount = 3 ether;
        // Validated before the grant is executed.
        refused(bundle(again, build(d)), 1, notGranted(terms));
        send(again);
        d.amount = 3 ether + 1;
        refused(d, abi.encodeWithSelector(ISpendPolicy.OverWindow.selector, 8 ether + 1e15, 8 ether));
        d.amount = 3 ether;
        send(d);
        assertEq(account.usage(policyId).spent, 8000);
    }

    /// In a call of its own the optimizer reads the chain's id anew.
    function signedNow(Draft memory d) external view returns (PackedUserOperation memory) {
        return build(d);
    }

    function _freshChain() private view {
        assertTrue(this.chain() == 31_338, "the chain did not change");
    }

    function chain() external view returns (uint256) {
        return block.chainid;
    }

    function _end(bytes memory signature) private pure returns (bytes memory part) {
        part = new bytes(64);
        for (uint256 i = 0; i < 64; ++i) part[i] = signature[signature.length - 64 + i];
    }
}
