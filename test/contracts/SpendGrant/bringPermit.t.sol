// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {PermitToken} from "../base/PermitToken.sol";
import {IMulticall, SpendGrantTest} from "../base/SpendGrantTest.sol";

/// Notes who called.
contract Noter {
    event Called(address by);

    fallback() external {
        emit Called(msg.sender);
    }
}

contract BringPermitTest is SpendGrantTest {
    PermitToken private _token;

    function setUp() public override {
        super.setUp();
        _token = new PermitToken();
        _token.mint(payer, 100 ether);
    }

    function _permit(uint256 value, uint256 deadline) private view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                payer,
                address(grants),
                value,
                _token.nonces(payer),
                deadline
            )
        );
        bytes32 hash = keccak256(abi.encodePacked(hex"1901", _token.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, hash);
        return abi.encodeCall(grants.bringPermit, (address(_token), payer, value, deadline, v, r, s));
    }

    function _bring(bytes memory data) private returns (bool) {
        (bool sent, bytes memory answer) = address(grants).call(data);
        assertTrue(sent, "reverted");
        return abi.decode(answer, (bool));
    }

    function test_bringPermit_setsTheAllowance(uint256 value) public {
        assertTrue(_bring(_permit(value, time)), "refused");
        assertEq(_token.allowance(payer, address(grants)), value);
    }

    /// Somebody brought it before: told, and nothing lost.
    function test_bringPermit_twice() public {
        bytes memory data = _permit(7, time);
        assertTrue(_bring(data), "refused");
        assertTrue(!_bring(data), "accepted twice");
        assertEq(_token.allowance(payer, address(grants)), 7);
    }

    function test_bringPermit_expired() public {
        assertTrue(!_bring(_permit(7, time - 1)), "accepted");
    }

    /// Whatever the token's address is, it is not this contract that calls it.
    function test_bringPermit_isTheOutsidersCall() public {
        Noter noter = new Noter();
        vm.expectEmit(address(noter));
        emit Noter.Called(grants.outsider());
        grants.bringPermit(address(noter), payer, 1, 1, 27, 0, 0);
    }

    /// A plain account, one transaction of its agent: allowance, grant and spend, and none of the payer's.
    function test_bringPermit_allInOneTransaction() public {
        AgentSpendGrant memory grant = directGrant();
        grant.token = address(_token);
        bytes[] memory calls = new bytes[](3);
        calls[0] = _permit(grant.total, time);
        calls[1] = abi.encodeCall(grants.approveBySignature, (grant, signedBy(PAYER_KEY, grant)));
        calls[2] = abi.encodeCall(
            grants.spendDirectly,
            (grant, payees[0], 5 ether, Source.Token, 1, bytes32("root"))
        );
        vm.prank(agent);
        IMulticall(address(grants)).multicall(calls);
        assertEq(_token.balanceOf(payees[0]), 5 ether);
        assertEq(_token.allowance(payer, address(grants)), 995 ether);
    }
}
