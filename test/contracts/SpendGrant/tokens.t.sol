// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {AgentSpendGrant, ISpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy, Status} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {IAccomplice, Oddity, OddToken} from "../attack/OddToken.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";

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

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        if (idle) return true;
        balanceOf[from] -= amount + more;
        balanceOf[to] += amount - less;
        return true;
    }
}

/// Called amid a transfer: tries to spend once more, and to do what must still work.
contract Hook is IAccomplice {
    ISpendGrant private immutable GRANTS;
    bytes[] private _tries;
    bytes[] public answers;
    bool[] public done;

    constructor(ISpendGrant grants) {
        GRANTS = grants;
    }

    function attempt(bytes calldata data) external {
        _tries.push(data);
    }

    function act() external {
        for (uint256 i = 0; i < _tries.length; ++i) {
            (bool sent, bytes memory answer) = address(GRANTS).call(_tries[i]);
            done.push(sent);
            answers.push(answer);
        }
        delete _tries;
    }
}

contract TokensTest is SpendGrantTest {
    OddToken private _odd;
    Hook private _hook;
    AgentSpendGrant private _grant;

    function setUp() public override {
        super.setUp();
        _hook = new Hook(grants);
        _odd = new OddToken(_hook);
        _odd.rebase(payer, 100 ether);
        vm.prank(payer);
        _odd.approve(address(grants), 100 ether);
        _grant = directGrant();
        _grant.token = address(_odd);
        approve(_grant);
    }

    function _spend(uint256 amount) private {
        spendDirectly(_grant, payees[0], amount);
    }

    function _refused(uint256 amount, bytes memory reason) private {
        spendDirectlyRefused(_grant, payees[0], amount, reason);
        assertEq(grants.budgetOf(_grant).spent, 0);
        assertEq(_odd.balanceOf(payer), 100 ether);
    }

    function test_tokens_withoutAnswer() public {
        _odd.become(Oddity.NoReturnValue);
        _spend(2 ether);
        assertEq(_odd.balanceOf(payees[0]), 2 ether);
    }

    function test_tokens_reverts_falseAnswer() public {
        _odd.become(Oddity.ReturnsFalse);
        _refused(1, abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(_odd)));
    }

    /// What arrived is told, not what is there.
    function test_tokens_reverts_feeOnTransferToWhoHasSome() public {
        _odd.rebase(payees[0], 7 ether);
        _odd.become(Oddity.TakesFees);
        _refused(1 ether, refusal(ISpendGrant.ArrivedLess.selector, 1 ether - 1 ether / 100, 1 ether));
    }

    function test_tokens_reverts_feeOnTransfer(uint256 amount) public {
        amount = bound(amount, 100, 5 ether);
        _odd.become(Oddity.TakesFees);
        _refused(amount, refusal(ISpendGrant.ArrivedLess.selector, amount - amount / 100, amount));
    }

    /// Too little for a fee: nothing is missing.
    function test_tokens_feeOfNothing() public {
        _odd.become(Oddity.TakesFees);
        _spend(99);
    }

    // Exactly so much, or none.

    function _crooked(uint256 more, uint256 less, bool idle) private returns (AgentSpendGrant memory grant) {
        CrookedToken crooked = new CrookedToken(payer);
        crooked.become(more, less, idle);
        grant = directGrant();
        grant.token = address(crooked);
        approve(grant);
    }

    function test_tokens_reverts_takesMore(uint256 more) public {
        more = bound(more, 1, 50 ether);
        AgentSpendGrant memory grant = _crooked(more, 0, false);
        spendDirectlyRefused(
            grant,
            payees[0],
            1 ether,
            refusal(ISpendGrant.TookMore.selector, 1 ether + more, 1 ether)
        );
    }

    function test_tokens_reverts_givesLess(uint256 less) public {
        less = bound(less, 1, 1 ether);
        AgentSpendGrant memory grant = _crooked(0, less, false);
        spendDirectlyRefused(
            grant,
            payees[0],
            1 ether,
            refusal(ISpendGrant.ArrivedLess.selector, 1 ether - less, 1 ether)
        );
    }

    /// Says yes and does nothing.
    function test_tokens_reverts_idle() public {
        AgentSpendGrant memory grant = _crooked(0, 0, true);
        spendDirectlyRefused(grant, payees[0], 1, refusal(ISpendGrant.ArrivedLess.selector, 0, 1));
        spendDirectly(grant, payees[0], 0);
    }

    function test_tokens_exactly() public {
        AgentSpendGrant memory grant = _crooked(0, 0, false);
        spendDirectly(grant, payees[0], 1 ether);
    }

    /// A token that was destroyed since.
    function test_tokens_reverts_withoutCode() public {
        vm.etch(address(_odd), "");
        spendDirectlyRefused(
            _grant,
            payees[0],
            1,
            abi.encodeWithSelector(ISpendGrant.TokenNotAllowed.selector, address(_odd))
        );
    }

    /// Balances that change by themselves, up or down, between spends.
    function test_tokens_rebasing(uint256 balance) public {
        balance = bound(balance, 5 ether, 1000 ether);
        _spend(1 ether);
        _odd.rebase(payer, balance);
        _odd.rebase(payees[0], 7);
        _spend(5 ether);
        assertEq(_odd.balanceOf(payees[0]), 5 ether + 7);
        assertEq(_odd.balanceOf(payer), balance - 5 ether);
        assertEq(grants.budgetOf(_grant).spent, 6 ether);
    }

    function test_tokens_reverts_payerHasLess() public {
        _odd.rebase(payer, 1);
        uint32 size_ = uint32(++size);
        vm.prank(agent);
        (bool sent, ) = address(grants).call(
            abi.encodeCall(grants.spendDirectly, (_grant, payees[0], 2, Source.Token, size_, "root"))
        );
        assertTrue(!sent, "spent");
        assertEq(grants.budgetOf(_grant).spent, 0);
    }

    // Amid a transfer.

    /// The hook is the agent of a grant itself: nothing is spent, approved or given away from inside a spend.
    function test_tokens_reentrant() public {
        _odd.become(Oddity.Reentrant);
        AgentSpendGrant memory second = directGrant();
        (second.agent, second.agentKey) = (address(_hook), address(_hook));
        approve(second);
        AgentSpendGrant memory third = directGrant();
        third.salt = 3;
        _hook.attempt(
            abi.encodeCall(grants.spendDirectly, (second, payees[0], 1 ether, Source.Token, 1, "root"))
        );
        _hook.attempt(abi.encodeCall(grants.spend, (second, payees[0], 1 ether, Source.Token)));
        _hook.attempt(abi.encodeCall(grants.approveBySignature, (third, signedBy(PAYER_KEY, third))));
        _spend(2 ether);
        for (uint256 i = 0; i < 3; ++i) {
            assertTrue(!_hook.done(i), "entered");
            assertEq(
                keccak256(_hook.answers(i)),
                keccak256(
                    abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
                )
            );
        }
        assertEq(token.balanceOf(payees[0]), 0);
        assertStatus(third, Status.Unknown);
        // The door opens again afterwards.
        spendDirectly(second, payees[0], 1 ether);
    }

    /// Stopping is possible at any moment. The spend under way was counted before.
    function test_tokens_stopFromInside() public {
        _odd.become(Oddity.Reentrant);
        _grant.account = address(_hook);
        _odd.rebase(address(_hook), 100 ether);
        vm.prank(address(_hook));
        _odd.approve(address(grants), 100 ether);
        vm.prank(address(_hook));
        bytes32 hash = grants.approve(_grant);
        _hook.attempt(abi.encodeCall(grants.revoke, (hash)));
        _spend(2 ether);
        assertTrue(_hook.done(0), "could not stop");
        assertStatus(_grant, Status.Revoked);
        assertEq(grants.budgetOf(_grant).spent, 2 ether);
        spendDirectlyRefused(
            _grant,
            payees[0],
            1,
            abi.encodeWithSelector(ISpendPolicy.AlreadyRevoked.selector, hash)
        );
    }
}
