// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

contract InitializeTest is AccountTest {
    function test_initialize_setsOwnerOnce(address first, address second) public {
        vm.assume(first != address(0));
        IAgentAccount bare = IAgentAccount(Clones.clone(factory.implementation()));
        bare.initialize(first);
        assertEq(bare.owner(), first);
        assertEq(bare.epoch(), 0);
        vm.expectRevert(IAgentAccount.AlreadyInitialized.selector);
        bare.initialize(second);
    }

    function test_initialize_reverts_zeroOwner() public {
        IAgentAccount bare = IAgentAccount(Clones.clone(factory.implementation()));
        vm.expectRevert(IAgentAccount.ZeroOwner.selector);
        bare.initialize(address(0));
    }

    function test_initialize_reverts_implementation(address anybody) public {
        IAgentAccount implementation = IAgentAccount(factory.implementation());
        vm.expectRevert(IAgentAccount.AlreadyInitialized.selector);
        implementation.initialize(anybody);
    }

    // EIP-7702: an EOA with money in it, which runs the account's code before it has an owner.

    function _delegated() private returns (IAgentAccount eoa) {
        eoa = IAgentAccount(other);
        vm.etch(other, abi.encodePacked(hex"ef0100", factory.implementation()));
        vm.deal(other, 10 ether);
        assertEq(eoa.owner(), address(0));
    }

    function test_initialize_byDelegatedEoaItself() public {
        IAgentAccount eoa = _delegated();
        vm.prank(other);
        eoa.initialize(owner);
        assertEq(eoa.owner(), owner);
        account = eoa;
        token.mint(other, 10 ether);
        Grant memory terms = standardGrant();
        install(terms);
        send(draft(terms));
        vm.expectRevert(IAgentAccount.AlreadyInitialized.selector);
        vm.prank(other);
        eoa.initialize(agent);
    }

    function test_initialize_reverts_delegatedEoaByOthers(address caller, address thief) public {
        vm.assume(caller != other && caller != address(vm) && thief != address(0));
        IAgentAccount eoa = _delegated();
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        eoa.initialize(thief);
        assertEq(eoa.owner(), address(0));
    }

    /// The EntryPoint passes the call of an EIP-7702 initCode on to the sender, for anybody.
    function test_initialize_reverts_delegatedEoaByInitCode() public {
        account = _delegated();
        PackedUserOperation memory op = unsigned(single(agent, 1 ether, ""), 0);
        op.initCode = bytes.concat(hex"7702", new bytes(18), abi.encodeCall(account.initialize, (agent)));
        op.signature = compact(AGENT_KEY, userOpHash(op));
        assertTrue(!trySend(op), "taken over");
        assertEq(account.owner(), address(0));
        // The same by the owner of a delegated EOA: nothing but the initialization was wrong.
        vm.prank(other);
        account.initialize(agent);
        op.initCode = "";
        op.signature = compact(AGENT_KEY, userOpHash(op));
        send(op);
    }
}
