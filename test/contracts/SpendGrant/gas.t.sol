// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

/// What spends, approvals and stops may cost, in gas of the whole transaction (docs/contracts.md has the measured figures).
contract GasTest is SpendGrantTest {
    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < payees.length; ++i) token.mint(payees[i], 1 ether);
    }

    function _atMost(string memory what, uint256 budget) private view {
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        assertTrue(gas <= budget, string.concat(what, " costs ", vm.toString(gas)));
    }

    function test_gas_spendDirectly() public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        spendDirectly(grant, payees[3], 1 ether);
        spendDirectly(grant, payees[3], 1.234567890123456789 ether);
        _atMost("a direct spend", 74_000);
    }

    function test_gas_approveBySignature() public {
        AgentSpendGrant memory grant = directGrant();
        bytes memory signature = signedBy(PAYER_KEY, grant);
        grants.approveBySignature(grant, signature);
        _atMost("an approval", 90_000);
    }

    function test_gas_revoke() public {
        AgentSpendGrant memory grant = directGrant();
        bytes32 hash = approve(grant);
        vm.prank(payer);
        grants.revoke(hash);
        _atMost("a revocation", 30_000);
    }
}
