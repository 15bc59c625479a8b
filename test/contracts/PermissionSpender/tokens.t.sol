// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {IPermissionSpender} from "../../../contracts/interfaces/IPermissionSpender.sol";
import {ISpendGrant} from "../../../contracts/interfaces/ISpendGrant.sol";
import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {IAccomplice, Oddity, OddToken} from "../attack/OddToken.sol";
import {PermissionTest} from "../base/PermissionTest.sol";

/// Moves other amounts than it is told, on either side.
contract CrookedToken {
    mapping(address holder => uint256 amount) public balanceOf;
    uint256 public more;
    uint256 public less;
    bool public idle;

    constructor(address holder) {
        balanceOf[holder] = 100 ether;
    }

    function become(uint256 more_, uint256 less_, bool idle_) external {
        (more, less, idle) = (more_, less_, idle_);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        if (idle) return false;
        balanceOf[msg.sender] -= amount + more;
        balanceOf[to] += amount - less;
        return true;
    }
}

/// Owner of the agent's account, called amid a transfer: has the account do things while the agent's batch goes on.
contract Hook is IAccomplice {
    address private _target;
    bytes private _data;
    bool public done;
    bytes public answer;

    function attempt(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    function act() external {
        if (_target == address(0)) return;
        (address target, bytes memory data) = (_target, _data);
        _target = address(0);
        (done, answer) = target.call(data);
    }
}

contract TokensTest is PermissionTest {
    function _spendOf(address asset, uint256 amount) private view returns (bytes memory) {
        bytes memory context_ = contextOf(signedBy(PAYER_KEY, permissionOf(asset)));
        return spendCall(asset, payees[2], amount, context_);
    }

    function _odd(Oddity oddity) private returns (OddToken odd, Hook hook) {
        hook = new Hook();
        odd = new OddToken(hook);
        odd.rebase(payer, 100 ether);
        odd.become(oddity);
    }

    /// What a token answers says nothing; what it does counts.
    function test_tokens_odd(uint256 choice) public {
        (OddToken odd, ) = _odd(choice % 2 == 0 ? Oddity.NoReturnValue : Oddity.ReturnsFalse);
        send(spending(_spendOf(address(odd), 2 ether)));
        assertEq(odd.balanceOf(payees[2]), 2 ether);
        assertEq(odd.balanceOf(payer), 98 ether);
    }

    function test_tokens_reverts_feeOnTransfer(uint256 amount) public {
        amount = bound(amount, 100, 10 ether);
        (OddToken odd, ) = _odd(Oddity.TakesFees);
        // Told is what arrived now, whatever was there before.
        odd.rebase(payees[2], 7);
        executionFails(
            spending(_spendOf(address(odd), amount)),
            abi.encodeWithSelector(ISpendGrant.ArrivedLess.selector, amount - amount / 100, amount)
        );
        assertEq(odd.balanceOf(payer), 100 ether);
    }

    function test_tokens_reverts_takesMore(uint256 more) public {
        more = bound(more, 1, 99 ether);
        CrookedToken crooked = new CrookedToken(payer);
        crooked.become(more, 0, false);
        executionFails(
            spending(_spendOf(address(crooked), 1 ether)),
            abi.encodeWithSelector(ISpendGrant.TookMore.selector, 1 ether + more, 1 ether)
        );
    }

    function test_tokens_reverts_givesLess(uint256 less) public {
        less = bound(less, 1, 1 ether);
        CrookedToken crooked = new CrookedToken(payer);
        crooked.become(0, less, false);
        executionFails(
            spending(_spendOf(address(crooked), 1 ether)),
            abi.encodeWithSelector(ISpendGrant.ArrivedLess.selector, 1 ether - less, 1 ether)
        );
    }

    /// Says no, and does nothing.
    function test_tokens_reverts_idle() public {
        CrookedToken crooked = new CrookedToken(payer);
        crooked.become(0, 0, true);
        executionFails(
            spending(_spendOf(address(crooked), 1)),
            abi.encodeWithSelector(ISpendGrant.ArrivedLess.selector, 0, 1)
        );
    }

    function test_tokens_reverts_toThePayerHimself() public {
        spendFails(payer, 1, context(), abi.encodeWithSelector(ISpendGrant.ArrivedLess.selector, 0, 1));
    }

    function test_tokens_reverts_withoutCode() public {
        executionFails(
            spending(_spendOf(other, 1)),
            abi.encodeWithSelector(ISpendGrant.TokenNotAllowed.selector, other)
        );
    }

    function test_tokens_reverts_payerHasLess() public {
        uint256 all = token.balanceOf(payer);
        vm.prank(payer);
        token.transfer(other, all);
        spendFails(
            payees[2],
            1,
            context(),
            abi.encodeWithSignature("ERC20InsufficientBalance(address,uint256,uint256)", payer, 0, 1)
        );
    }

    /// Even the account's owner, called by the token amid a spend, gets no second one into it.
    function test_tokens_reentrant() public {
        (OddToken odd, Hook hook) = _odd(Oddity.Reentrant);
        account = IAgentAccount(factory.createAccount(address(hook), 1));
        entryPoint.depositTo{value: 1 ether}(address(account));
        spender = newSpender(address(account), agent);
        (Grant memory terms, ) = spenderPolicy(AGENT_KEY, 1, IPermissionSpender.spend.selector);
        vm.prank(address(hook));
        account.grant(terms);
        bytes memory data = _spendOf(address(odd), 1 ether);
        bytes memory execution = abi.encodePacked(address(spender), uint256(0), data);
        hook.attempt(address(account), abi.encodeCall(account.execute, (bytes32(0), execution)));
        send(spending(data));
        assertTrue(!hook.done(), "entered");
        assertEq(
            keccak256(hook.answer()),
            keccak256(abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector))
        );
        assertEq(odd.balanceOf(payees[2]), 1 ether);
    }
}
