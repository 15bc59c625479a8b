// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Delegation} from "../../../contracts/interfaces/IDelegationManager.sol";
import {IPermissionSpender} from "../../../contracts/interfaces/IPermissionSpender.sol";
import {PermissionTest} from "../base/PermissionTest.sol";

contract PermissionOfTest is PermissionTest {
    function _refused(bytes memory context_, bytes memory reason) private {
        vm.expectRevert(reason);
        spender.permissionOf(context_);
        spendFails(payees[2], 1, context_, reason);
    }

    function test_permissionOf_saysWhoseAndWhich(uint256 salt, address delegator) public view {
        Delegation memory delegation = permission();
        (delegation.salt, delegation.delegator) = (salt, delegator);
        (address payer_, bytes32 name) = spender.permissionOf(contextOf(delegation));
        assertEq(payer_, delegator);
        assertEq(name, nameOf(delegation));
    }

    /// Signature and arguments are no part of what is signed, so none of the name.
    function test_permissionOf_isOfWhatIsSigned(bytes memory signature, bytes memory args) public view {
        Delegation memory delegation = permission();
        delegation.signature = signature;
        delegation.caveats[1].args = args;
        (, bytes32 name) = spender.permissionOf(bytes.concat(contextOf(delegation), args));
        assertEq(name, nameOf(permission()));
    }

    function test_permissionOf_reverts_noneOrMany(uint256 count) public {
        count = bound(count, 0, 4);
        if (count == 1) count = 5;
        Delegation[] memory delegations = new Delegation[](count);
        for (uint256 i = 0; i < count; ++i) delegations[i] = signedBy(PAYER_KEY, permission());
        _refused(
            abi.encode(delegations),
            abi.encodeWithSelector(IPermissionSpender.ContextNotAllowed.selector, address(0))
        );
    }

    function test_permissionOf_reverts_forAnother(address delegate) public {
        vm.assume(delegate != address(spender));
        Delegation memory delegation = permission();
        delegation.delegate = delegate;
        _refused(
            contextOf(signedBy(PAYER_KEY, delegation)),
            abi.encodeWithSelector(IPermissionSpender.PermissionNotAllowed.selector, delegate)
        );
    }

    /// The framework lets anybody use what is for 0xa11; here only what is for this contract counts.
    function test_permissionOf_reverts_forAnybody() public {
        Delegation memory delegation = permission();
        delegation.delegate = address(0xa11);
        _refused(
            contextOf(signedBy(PAYER_KEY, delegation)),
            abi.encodeWithSelector(IPermissionSpender.PermissionNotAllowed.selector, address(0xa11))
        );
    }

    /// In another's name, whose stop would not count.
    function test_permissionOf_reverts_ofAnotherPayer(address named) public {
        vm.assume(named != payer);
        bytes memory data = abi.encodeCall(spender.spend, (named, address(token), payees[2], 1, context()));
        executionFails(
            spending(data),
            abi.encodeWithSelector(IPermissionSpender.ContextNotAllowed.selector, named)
        );
    }

    function test_permissionOf_reverts_garbage(bytes memory garbage) public {
        (bool done, ) = address(spender).call(abi.encodeCall(spender.permissionOf, (garbage)));
        assertTrue(!done, "read a permission out of nothing");
    }

    function test_permissionOf_views() public view {
        assertEq(spender.agent(), address(account));
        assertEq(spender.agentKey(), agent);
        assertEq(spender.manager(), address(manager));
        assertEq(spender.accountImplementation(), factory.implementation());
    }
}
