// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {PermissionTest} from "../base/PermissionTest.sol";

/// What spends and stops may cost, in gas of the whole transaction.
contract GasTest is PermissionTest {
    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < payees.length; ++i) token.mint(payees[i], 1 ether);
    }

    function _atMost(string memory what, uint256 budget) private view {
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        assertTrue(gas <= budget, string.concat(what, " costs ", vm.toString(gas)));
    }

    function test_gas_spend() public {
        bytes memory context_ = context();
        spend(payees[3], 1 ether, context_);
        PackedUserOperation memory op = spending(
            spendCall(address(token), payees[3], 1.234567890123456789 ether, context_)
        );
        vm.prank(bundler, bundler);
        entryPoint.handleOps(bundle(op), payable(bundler));
        _atMost("a spend", 305_000);
    }

    function test_gas_revoke() public {
        bytes32 name = nameOf(permission());
        vm.prank(payer);
        spender.revoke(name);
        _atMost("a revocation", 47_000);
    }
}
