// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {DecisionLog} from "../../../contracts/DecisionLog.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract DecisionLogTest is AccountTest {
    function test_decisionLog_isTheOneOfTheImplementation() public {
        address another = address(new DecisionLog());
        IAgentAccount implementation = newImplementation(address(entryPoint), another);
        assertEq(implementation.decisionLog(), another);
        assertEq(IAgentAccount(Clones.clone(address(implementation))).decisionLog(), another);
        assertEq(account.decisionLog(), address(log));
    }

    /// Every commit would succeed there, and log nothing.
    function test_decisionLog_mustBeAContract() public {
        address nothing = address(uint160(uint256(keccak256("nothing"))));
        try this.implementationFor(nothing) {
            assertTrue(false, "made for an address without code");
        } catch (bytes memory reason) {
            assertEq(bytes32(bytes4(reason)), bytes32(Untrue.selector));
        }
    }

    function implementationFor(address log_) external returns (IAgentAccount) {
        return newImplementation(address(entryPoint), log_);
    }
}
