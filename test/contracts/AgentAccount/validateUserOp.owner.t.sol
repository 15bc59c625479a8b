// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AccountTest} from "../base/AccountTest.sol";

/// The owner's operations: any call, a plain signature.
contract ValidateUserOpOwnerTest is AccountTest {
    function _call() private view returns (bytes memory) {
        return single(address(token), 0, abi.encodeCall(token.transfer, (other, 1 ether)));
    }

    function test_validateUserOp_ownerWith64Bytes() public {
        send(ownerOp(_call()));
        assertEq(token.balanceOf(other), 1 ether);
    }

    function test_validateUserOp_ownerWith65Bytes() public {
        PackedUserOperation memory op = unsigned(_call(), 99);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, userOpHash(op));
        op.signature = abi.encodePacked(r, s, v);
        send(op);
        assertEq(token.balanceOf(other), 1 ether);
    }

    function test_validateUserOp_ownerWhileFrozen() public {
        vm.prank(owner);
        account.freeze();
        send(ownerOp(single(address(account), 0, abi.encodeCall(account.unfreeze, ()))));
        assertTrue(!account.frozen(), "still frozen");
    }

    function test_validateUserOp_paysMissingFunds() public {
        vm.prank(owner);
        account.withdrawDeposit(payable(owner), 100 ether);
        send(ownerOp(_call()));
        assertTrue(entryPoint.balanceOf(address(account)) > 0, "prefund was not paid");
    }

    function test_validateUserOp_fails_otherOwner(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        PackedUserOperation memory op = unsigned(_call(), 99);
        op.signature = compact(key, userOpHash(op));
        unsignedRefused(op);
    }

    function test_validateUserOp_fails_ownersHighS() public {
        PackedUserOperation memory op = unsigned(_call(), 99);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, userOpHash(op));
        uint256 n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        op.signature = abi.encodePacked(r, bytes32(n - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        unsignedRefused(op);
    }

    function test_validateUserOp_fails_anyOwnerBytes(bytes32 r, bytes32 s, uint8 v) public {
        PackedUserOperation memory op = unsigned(_call(), 99);
        op.signature = abi.encodePacked(r, s);
        unsignedRefused(op);
        op.signature = abi.encodePacked(r, s, v);
        unsignedRefused(op);
    }

    /// The implementation owns itself, and has no key.
    function test_validateUserOp_fails_implementation() public {
        _nobodyOwns(factory.implementation());
    }

    /// An account that nobody initialized has no owner, not even the one that a bad signature recovers to.
    function test_validateUserOp_fails_notInitialized() public {
        address clone = Clones.clone(factory.implementation());
        assertEq(IAgentAccount(clone).owner(), address(0));
        _nobodyOwns(clone);
    }

    function _nobodyOwns(address sender) private {
        PackedUserOperation memory op = unsigned("", 0);
        op.sender = sender;
        op.nonce = entryPoint.getNonce(sender, 0);
        entryPoint.depositTo{value: 1 ether}(sender);
        op.signature = new bytes(64);
        unsignedRefused(op);
        op.signature = new bytes(65);
        unsignedRefused(op);
    }
}
