// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Draft} from "../base/AccountTest.sol";
import {ValidatorTest} from "../base/ValidatorTest.sol";

/// What the design allows things to cost through the module, in gas of the whole transaction (docs/contracts.md has the figures).
contract GasTest is ValidatorTest {
    address private constant BENEFICIARY = address(uint160(uint256(keccak256("beneficiary"))));

    function setUp() public override {
        super.setUp();
        vm.deal(BENEFICIARY, 1 ether);
        for (uint256 i = 0; i < payees.length; ++i) {
            token.mint(payees[i], 1 ether);
            vm.deal(payees[i], 1 ether);
        }
    }

    function _gasOf(PackedUserOperation memory op) private returns (uint256) {
        PackedUserOperation[] memory ops = bundle(op);
        vm.prank(bundler, bundler);
        entryPoint.handleOps(ops, payable(BENEFICIARY));
        return vm.lastCallGas().gasTotalUsed;
    }

    function _steady() private returns (uint256) {
        install(standardGrant());
        send(draft(standardGrant()));
        return _gasOf(build(draft(standardGrant())));
    }

    function _atMost(string memory what, uint256 gas, uint256 budget) private pure {
        assertTrue(gas <= budget, string.concat(what, " costs ", vm.toString(gas)));
    }

    function test_gas_steadyTransfer() public {
        use(bare);
        _atMost("steady ERC-20 transfer", _steady(), 122_000);
    }

    function test_gas_steadyTransferWithHook() public {
        _atMost("steady ERC-20 transfer with the hook", _steady(), 128_000);
    }

    function test_gas_grantInside() public {
        uint256 steady = _steady();
        Draft memory d = draft(standardGrant());
        d.grant.salt = 2;
        d.terms = termsOf(d.grant);
        d.kind = 2;
        _atMost("a grant inside the operation", _gasOf(build(d)) - steady, 40_000);
    }

    function test_gas_revoke() public {
        bytes32 policyId = install(standardGrant());
        vm.prank(owner);
        module.revoke(address(account), policyId);
        _atMost("revoke", vm.lastCallGas().gasTotalUsed, 38_000);
    }

    function test_gas_revokeAll() public {
        vm.prank(owner);
        module.revokeAll(address(account));
        _atMost("revokeAll", vm.lastCallGas().gasTotalUsed, 38_000);
    }
}
