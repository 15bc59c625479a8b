// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {IOzAccount, ValidatorTest} from "../base/ValidatorTest.sol";

/// A bundle is validated as a whole before any of it is executed: the hook asks again.
contract PreCheckTest is ValidatorTest {
    /// The stop first, the agent's payment behind it.
    function _stopAndPay(PackedUserOperation memory stop) private returns (bool paid) {
        Draft memory d = draft(standardGrant());
        uint256 before = token.balanceOf(payees[3]);
        bool[] memory success = send(bundle(stop, build(d)));
        assertTrue(success[0], "the stop failed");
        assertEq(token.balanceOf(payees[3]), before + (success[1] ? d.amount : 0));
        return success[1];
    }

    function _stops() private view returns (bytes[4] memory) {
        return
            [
                abi.encodeCall(module.freeze, (address(account))),
                abi.encodeCall(module.revoke, (address(account), policyIdOf(standardGrant()))),
                abi.encodeCall(module.revokeAll, (address(account))),
                abi.encodeCall(module.onUninstall, (""))
            ];
    }

    function _stopped(uint256 index) private {
        install(standardGrant());
        assertTrue(!_stopAndPay(rootCall(_stops()[index])), "the agent was not stopped");
    }

    function test_preCheck_stopsAgentFrozenInBundle() public {
        _stopped(0);
    }

    function test_preCheck_stopsAgentRevokedInBundle() public {
        _stopped(1);
    }

    function test_preCheck_stopsAgentOfMovedEpochInBundle() public {
        _stopped(2);
    }

    /// As long as the hook itself is still installed.
    function test_preCheck_stopsAgentUninstalledInBundle() public {
        install(standardGrant());
        bytes memory call = abi.encodeCall(hooked.uninstallModule, (VALIDATOR, address(module), ""));
        assertTrue(!_stopAndPay(rootOp(single(address(account), 0, call))), "the agent was not stopped");
    }

    /// The owner that the module knows may be an account too, and its operation in the same bundle.
    function test_preCheck_stopsAgentFrozenByOwnersAccountInBundle() public {
        install(standardGrant());
        vm.prank(address(account));
        module.setOwner(address(bare));
        IOzAccount agents = hooked;
        use(bare);
        PackedUserOperation memory stop = rootCall(abi.encodeCall(module.freeze, (address(agents))));
        use(agents);
        assertTrue(!_stopAndPay(stop), "the agent was not stopped");
    }

    /// What a validator alone can't do: the payment was validated before it was stopped, and goes through. The next bundle's
    /// doesn't. This is not a wish; it documents what an account without the hook gets.
    function test_preCheck_withoutHookAgentStoppedInBundleStillPays() public {
        use(bare);
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(owner);
            module.unfreeze(address(account));
            Grant memory terms = standardGrant();
            terms.salt = 10 + i;
            bytes32 policyId = install(terms);
            bytes memory stop =
                i == 1 ? abi.encodeCall(module.revoke, (address(account), policyId)) : _stops()[i];
            Draft memory d = draft(terms);
            bool[] memory success = send(bundle(rootCall(stop), build(d)));
            assertTrue(success[0], "the stop failed");
            assertTrue(success[1], "stopped without a hook");
            refused(draft(terms), i == 0 ? frozenError() : notGranted(terms));
        }
        assertEq(token.balanceOf(payees[3]), 4 * 1.234567890123456789 ether);
    }

    /// The hook blocks nothing else: other calls of the account pass, frozen or not.
    function test_preCheck_letsOthersPass(address caller, uint256 value, bytes calldata data) public {
        vm.prank(owner);
        module.freeze(address(account));
        vm.prank(address(account));
        assertEq(module.preCheck(caller, value, data).length, 0);
        vm.prank(caller == address(vm) ? address(1) : caller);
        assertEq(module.preCheck(caller, value, data).length, 0);
        send(rootOp(single(address(token), 0, abi.encodeCall(token.transfer, (other, 1)))));
        assertEq(token.balanceOf(other), 1);
    }

    /// Executors act beside the law, and the hook does not stop them.
    function test_preCheck_letsExecutorsPass() public {
        send(
            rootOp(
                single(
                    address(account),
                    0,
                    abi.encodeCall(hooked.installModule, (EXECUTOR, address(this), ""))
                )
            )
        );
        vm.prank(owner);
        module.freeze(address(account));
        hooked.executeFromExecutor(
            0,
            abi.encodePacked(address(token), uint256(0), abi.encodeCall(token.transfer, (other, 5)))
        );
        assertEq(token.balanceOf(other), 5);
    }

    // This test is an executor module.

    function isModuleType(uint256 moduleTypeId) external pure returns (bool) {
        return moduleTypeId == EXECUTOR;
    }

    function onInstall(bytes calldata) external pure {}

    /// Another key's operation with an agent's very callData neither frees the agent, nor is stopped without need.
    function test_preCheck_rootWithAgentsCallInBundle() public {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        bool[] memory success = send(bundle(build(d), rootOp(callDataOf(d))));
        assertTrue(success[0] && success[1], "refused");

        d = draft(standardGrant());
        PackedUserOperation[] memory ops = new PackedUserOperation[](3);
        ops[0] = rootCall(_stops()[1]);
        ops[1] = rootOp(callDataOf(d));
        ++ops[1].nonce;
        ops[1].signature = long(ROOT_KEY, userOpHash(ops[1]));
        ops[2] = build(d);
        success = send(ops);
        assertTrue(success[0] && !success[1] && !success[2], "an agent's call ran after its revocation");
        send(rootOp(callDataOf(d)));
    }

    /// A note is one account's: an agent of one stops nobody's call of another.
    function test_preCheck_notesAreKeptApart() public {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        PackedUserOperation memory stop = rootCall(_stops()[1]);
        PackedUserOperation memory payment = build(d);
        IOzAccount stranger = newAccount(hookedImplementation, "");
        use(stranger);
        PackedUserOperation memory same = rootOp(payment.callData);
        PackedUserOperation[] memory ops = new PackedUserOperation[](3);
        (ops[0], ops[1], ops[2]) = (stop, same, payment);
        bool[] memory success = send(ops);
        assertTrue(success[0] && success[1] && !success[2], "notes got mixed up");
    }
}
