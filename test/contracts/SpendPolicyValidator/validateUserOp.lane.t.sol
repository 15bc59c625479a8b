// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

/// An agent that could use the nonces of others could undo their operations.
contract ValidateUserOpLaneTest is ValidatorTest {
    function _lane(address actual) private view returns (bytes memory) {
        return abi.encodeWithSelector(ISpendPolicy.LaneNotAllowed.selector, actual, agent);
    }

    function _prefix(uint256 length) private view returns (uint256) {
        return uint160(agent) >> (160 - 8 * length);
    }

    function test_validateUserOp_reverts_lanesOfOthers(uint32 lane) public {
        vm.assume(bytes4(lane) != bytes4(bytes20(agent)));
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        d.nonceKey = (uint192(uint160(address(module))) << 32) | lane;
        refused(d, _lane(address(bytes20(bytes4(lane)))));
        assertEq(entryPoint.getNonce(address(account), d.nonceKey), uint256(d.nonceKey) << 64);
    }

    /// Other accounts put the module's address elsewhere. (Their code was not run: this is the module's half.)
    function test_validateUserOp_knowsOtherLayouts(uint8 mode, uint8 kind, uint64 sequence) public {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        uint256 here = uint160(address(module));
        uint256[2] memory keys = [
            // Nexus: agent 3, mode 1, module 20
            (_prefix(3) << 168) | (uint256(mode) << 160) | here,
            // Kernel v3: mode 1, type 1, module 20, agent 2
            (uint256(mode) << 184) | (uint256(kind) << 176) | (here << 16) | _prefix(2)
        ];
        bytes32 policyId = policyIdOf(d.grant);
        for (uint256 i = 0; i < keys.length; ++i) {
            PackedUserOperation memory op = build(d);
            op.nonce = (keys[i] << 64) | sequence;
            sign(op, d);
            bytes32 hash = userOpHash(op);
            vm.prank(address(account));
            uint256 validationData = module.validateUserOp(op, hash);
            assertEq(uint160(validationData), 0);
            assertEq(module.usage(address(account), policyId).size, d.size);
            ++d.size;
        }
    }

    function test_validateUserOp_reverts_lanesOfOthersInOtherLayouts() public {
        install(standardGrant());
        Draft memory d = draft(standardGrant());
        uint256 here = uint160(address(module));
        uint256[4] memory keys = [
            ((_prefix(3) ^ 1) << 168) | here,
            (here << 16) | (_prefix(2) ^ 1),
            // the module nowhere: a default validator
            _prefix(4),
            uint256(uint160(agent))
        ];
        address[4] memory actual = [
            address(uint160((_prefix(3) ^ 1) << 136)),
            address(uint160((_prefix(2) ^ 1) << 144)),
            address(0),
            address(0)
        ];
        for (uint256 i = 0; i < keys.length; ++i) {
            PackedUserOperation memory op = build(d);
            op.nonce = keys[i] << 64;
            sign(op, d);
            bytes32 hash = userOpHash(op);
            vm.expectRevert(_lane(actual[i]));
            vm.prank(address(account));
            module.validateUserOp(op, hash);
        }
    }
}
