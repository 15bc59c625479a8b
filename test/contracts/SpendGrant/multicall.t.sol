// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AgentSpendGrant, ISpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {Status} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {IMulticall, SpendGrantTest} from "../base/SpendGrantTest.sol";

contract MulticallTest is SpendGrantTest {
    function _calls(bytes memory first, bytes memory second) private pure returns (bytes[] memory calls) {
        calls = new bytes[](2);
        (calls[0], calls[1]) = (first, second);
    }

    function test_multicall_approvesAndSpends() public {
        AgentSpendGrant memory grant = directGrant();
        vm.prank(agent);
        IMulticall(address(grants)).multicall(
            _calls(
                abi.encodeCall(grants.approveBySignature, (grant, signedBy(PAYER_KEY, grant))),
                abi.encodeCall(grants.spendDirectly, (grant, payees[0], 1 ether, Source.Token, 1, "root"))
            )
        );
        assertEq(token.balanceOf(payees[0]), 1 ether);
    }

    /// The caller stays who he is: nobody speaks for another through it.
    function test_multicall_reverts_forAnother() public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        vm.expectRevert(abi.encodeWithSelector(ISpendGrant.NotAgent.selector, other, agent));
        vm.prank(other);
        IMulticall(address(grants)).multicall(
            _calls(
                abi.encodeCall(grants.revoke, (digestOf(grant))),
                abi.encodeCall(grants.spendDirectly, (grant, payees[0], 1 ether, Source.Token, 1, "root"))
            )
        );
        assertStatus(grant, Status.Granted);
    }

    /// All or nothing; and each spend has a decision of its own.
    function test_multicall_reverts_asAWhole() public {
        AgentSpendGrant memory grant = directGrant();
        approve(grant);
        bytes memory spend_ = abi.encodeCall(
            grants.spendDirectly,
            (grant, payees[0], 1 ether, Source.Token, 1, "root")
        );
        vm.prank(agent);
        (bool sent, ) = address(grants).call(abi.encodeCall(IMulticall.multicall, (_calls(spend_, spend_))));
        assertTrue(!sent, "one decision, two spends");
        assertEq(token.balanceOf(payees[0]), 0);
    }
}
