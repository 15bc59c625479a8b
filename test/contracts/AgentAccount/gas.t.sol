// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

/// What the design allows things to cost, in gas of the whole transaction (docs/contracts.md has the measured figures).
contract GasTest is AccountTest {
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

    function _steady(Grant memory terms) private returns (uint256) {
        install(terms);
        send(draft(terms));
        return _gasOf(build(draft(terms)));
    }

    function _atMost(string memory what, uint256 gas, uint256 budget) private pure {
        assertTrue(gas <= budget, string.concat(what, " costs ", vm.toString(gas)));
    }

    function test_gas_steadyTransfer() public {
        _atMost("steady ERC-20 transfer", _steady(standardGrant()), 112_000);
    }

    function test_gas_steadyNativeTransfer() public {
        Grant memory terms = standardGrant();
        terms.asset = address(0);
        _atMost("steady native transfer", _steady(terms), 105_000);
    }

    function test_gas_grantInside() public {
        Grant memory terms = standardGrant();
        uint256 steady = _steady(terms);
        terms.salt = 2;
        Draft memory d = draft(terms);
        d.kind = 2;
        _atMost("a grant inside the operation", _gasOf(build(d)) - steady, 28_000);
    }

    function test_gas_revoke() public {
        bytes32 policyId = install(standardGrant());
        vm.prank(owner);
        account.revoke(policyId);
        _atMost("revoke", vm.lastCallGas().gasTotalUsed, 38_000);
    }

    function test_gas_revokeAsOperation() public {
        bytes32 policyId = install(standardGrant());
        send(ownerOp(single(address(account), 0, abi.encodeCall(account.revoke, (bytes32(uint256(1)))))));
        bytes memory call = single(address(account), 0, abi.encodeCall(account.revoke, (policyId)));
        _atMost("revoke by owner's operation", _gasOf(ownerOp(call)), 88_000);
    }

    function test_gas_revokeAll() public {
        vm.prank(owner);
        account.revokeAll();
        _atMost("revokeAll", vm.lastCallGas().gasTotalUsed, 38_000);
    }

    function test_gas_grant() public {
        Grant memory terms = standardGrant();
        install(terms);
        _atMost("grant", vm.lastCallGas().gasTotalUsed, 70_000);
    }

    /// The second tree of a writer: the word is taken, as in every anchor but the first.
    function test_gas_anchor() public {
        log.anchor(address(account), agent, 100, keccak256("100"));
        log.anchor(address(account), agent, 200, keccak256("200"));
        _atMost("anchor", vm.lastCallGas().gasTotalUsed, 30_700);
    }
}
