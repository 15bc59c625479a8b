// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest} from "../base/AccountTest.sol";

/// An owner that is a contract: it says yes to what its own key signed.
contract ContractOwner is IERC1271 {
    address private immutable KEY;

    constructor(address key) {
        KEY = key;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s, uint8 v) = abi.decode(signature, (bytes32, bytes32, uint8));
        return ecrecover(hash, v, r, s) == KEY ? IERC1271.isValidSignature.selector : bytes4(0);
    }

    function tell(address target, bytes calldata data) external {
        (bool ok, ) = target.call(data);
        require(ok);
    }
}

contract GrantBySignatureTest is AccountTest {
    function _digest(Grant memory terms, uint256 epoch) private view returns (bytes32) {
        return digest(installHash(account.policyIdOf(terms), epoch));
    }

    function _signed(uint256 key, Grant memory terms) private view returns (bytes memory) {
        return compact(key, _digest(terms, account.epoch()));
    }

    function _reverts(Grant memory terms, bytes memory signature, bytes memory reason) private {
        vm.expectRevert(reason);
        account.grantBySignature(terms, signature);
    }

    function _wrongSigner() private view returns (bytes memory) {
        return abi.encodeWithSelector(ISpendPolicy.WrongSigner.selector, account.owner());
    }

    function test_grantBySignature_ofAKey(address anybody, bool long) public {
        vm.assume(anybody != address(vm));
        Grant memory terms = standardGrant();
        bytes memory signature = _signed(OWNER_KEY, terms);
        if (long) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, _digest(terms, 0));
            signature = abi.encodePacked(r, s, v);
        }
        vm.prank(anybody);
        account.grantBySignature(terms, signature);
        send(draft(terms));
        _reverts(
            terms,
            signature,
            abi.encodeWithSelector(ISpendPolicy.AlreadyGranted.selector, account.policyIdOf(terms))
        );
    }

    function test_grantBySignature_ofAContract() public {
        ContractOwner boss = new ContractOwner(other);
        account = IAgentAccount(factory.createAccount(address(boss), 9));
        token.mint(address(account), 100 ether);
        vm.deal(address(this), 1 ether);
        entryPoint.depositTo{value: 1 ether}(address(account));
        Grant memory terms = standardGrant();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OTHER_KEY, _digest(terms, 0));
        _reverts(terms, abi.encode(r, bytes32(uint256(s) + 1), v), _wrongSigner());
        account.grantBySignature(terms, abi.encode(r, s, v));
        send(draft(terms));
        // And it stops the agent by plain transaction.
        boss.tell(address(account), abi.encodeCall(account.revoke, (account.policyIdOf(terms))));
        refused(draft(terms), notGranted(terms));
    }

    function test_grantBySignature_reverts_otherSigner(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        Grant memory terms = standardGrant();
        _reverts(terms, _signed(key, terms), _wrongSigner());
        _reverts(terms, "", _wrongSigner());
        _reverts(terms, new bytes(65), _wrongSigner());
    }

    function test_grantBySignature_reverts_otherTermsEpochOrAccount() public {
        Grant memory terms = standardGrant();
        bytes memory signature = _signed(OWNER_KEY, terms);
        terms.perWindow += 0.001 ether;
        _reverts(terms, signature, _wrongSigner());
        terms.perWindow -= 0.001 ether;
        IAgentAccount first = account;
        account = IAgentAccount(factory.createAccount(owner, 3));
        _reverts(terms, signature, _wrongSigner());
        account = first;
        vm.prank(owner);
        account.revokeAll();
        _reverts(terms, signature, _wrongSigner());
    }

    function test_grantBySignature_reverts_revokedBefore() public {
        Grant memory terms = standardGrant();
        bytes32 policyId = account.policyIdOf(terms);
        vm.prank(owner);
        account.revoke(policyId);
        _reverts(
            terms,
            _signed(OWNER_KEY, terms),
            abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, policyId)
        );
    }

    /// The implementation owns itself: it must not ask itself for ever, and grants nothing.
    function test_grantBySignature_reverts_implementation() public {
        account = IAgentAccount(factory.implementation());
        Grant memory terms = standardGrant();
        _reverts(terms, _signed(OWNER_KEY, terms), _wrongSigner());
        _reverts(terms, new bytes(96), _wrongSigner());
    }
}
