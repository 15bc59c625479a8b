// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {CallProof, Extras, Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "../base/AccountTest.sol";
import {RuledTest} from "../base/RuledTest.sol";

/// What the attacks found. Each says what is promised.
contract FoundTest is RuledTest {
    uint256 private constant COUNT = 152;

    function _pay(Grant memory terms, uint256 amount) private returns (PackedUserOperation memory) {
        return build(terms, payment(3, amount), payeePath(3));
    }

    function _replaced(Grant memory oldTerms, uint256 salt) private pure returns (Grant memory newTerms) {
        newTerms = abi.decode(abi.encode(oldTerms), (Grant));
        newTerms.salt = salt;
    }

    function _replace(Grant memory oldTerms, Grant memory newTerms) private {
        vm.prank(owner);
        account.replace(oldTerms, newTerms);
    }

    /// Narrowed for a while and widened again: what was spent before counts as spent (`IAgentAccount.replace`).
    function test_found_lifetimeSurvivesNarrowerTermsInBetween() public {
        Grant memory wide = standardGrant();
        (wide.perCall, wide.perWindow, wide.lifetime) = (50 ether, 50 ether, 50 ether);
        install(wide);
        send(_pay(wide, 50 ether));
        Grant memory narrow = _replaced(wide, 2);
        (narrow.perCall, narrow.perWindow, narrow.lifetime) = (1, 1, 1);
        _replace(wide, narrow);
        Grant memory again = _replaced(wide, 3);
        _replace(narrow, again);
        warp(time + 30 days);
        assertTrue(!trySend(_pay(again, 1 ether)), "paid 51 of 50");
    }

    /// The same for the rolling window.
    function test_found_windowSurvivesNarrowerTermsInBetween() public {
        Grant memory wide = standardGrant();
        (wide.perCall, wide.perWindow) = (50 ether, 50 ether);
        install(wide);
        send(_pay(wide, 50 ether));
        Grant memory narrow = _replaced(wide, 2);
        (narrow.perCall, narrow.perWindow, narrow.lifetime) = (1, 1, 1);
        _replace(wide, narrow);
        Grant memory again = _replaced(wide, 3);
        _replace(narrow, again);
        assertTrue(!trySend(_pay(again, 1 ether)), "paid 51 of 50 in one window");
    }

    /// The same for gas.
    function test_found_gasBudgetSurvivesNarrowerTermsInBetween() public {
        Grant memory wide = standardGrant();
        wide.gasBudget = 0.0015 ether; // one operation at most
        install(wide);
        send(_pay(wide, 1));
        assertTrue(!trySend(_pay(wide, 1)), "two of one");
        Grant memory narrow = _replaced(wide, 2);
        (narrow.gasBudget, narrow.feeCap) = (1, 1);
        _replace(wide, narrow);
        Grant memory again = _replaced(wide, 3);
        _replace(narrow, again);
        assertTrue(!trySend(_pay(again, 1)), "two operations on the gas of one");
    }

    /// An owner who stops all payments with a cap of zero, and lifts it to where it was (`IAgentAccount.setCap`: "changing it
    /// keeps what was counted").
    function test_found_capSurvivesALowerOneInBetween() public {
        Grant memory terms = standardGrant();
        terms.perCall = 50 ether;
        install(terms);
        Grant memory second = _replaced(terms, 2);
        install(second);
        vm.prank(owner);
        account.setCap(address(token), 50 ether, BUCKET);
        send(_pay(terms, 50 ether));
        vm.prank(owner);
        account.setCap(address(token), 0, BUCKET);
        assertTrue(!trySend(_pay(second, 1)), "paid under a cap of zero");
        vm.prank(owner);
        account.setCap(address(token), 50 ether, BUCKET);
        assertTrue(!trySend(_pay(second, 49 ether)), "paid 99 of 50 in one window");
    }

    /// The last count that 24 bits hold (`Extras.operations`: "below 2^24").
    function test_found_operationsAreNotCountedFromZeroAgain() public {
        Extras memory extras;
        extras.operations = type(uint24).max;
        Grant memory terms = grantWith(extras);
        bytes32 policyId = install(terms);
        send(_pay(terms, 0));
        uint256 base = uint256(keccak256(abi.encode(uint256(keccak256("bursar.AgentAccount")) - 1)));
        base &= ~uint256(0xff);
        for (uint256 i = 0; i < 8; ++i) {
            bytes32 slot = bytes32(uint256(keccak256(abi.encode(policyId, base + i))) + 1);
            if (uint256(vm.load(address(account), slot)) == account.operationCounters(policyId))
                vm.store(address(account), slot, bytes32(extras.operations << COUNT));
        }
        assertEq(account.operationCounters(policyId), extras.operations << COUNT);
        refused(
            _pay(terms, 0),
            abi.encodeWithSelector(
                ISpendPolicy.TooManyOperations.selector,
                extras.operations + 1,
                extras.operations
            )
        );
    }

    /// "Not at all before the first" heartbeat (`IAgentAccount.heartbeat`), be the span ever so long.
    function test_found_nothingBeforeTheFirstHeartbeat() public {
        Extras memory extras;
        extras.heartbeat = type(uint32).max;
        Grant memory terms = grantWith(extras);
        install(terms);
        assertTrue(!trySend(_pay(terms, 1)), "acted before the first heartbeat");
    }

    /// A first cap counts what executes after it (`IAgentAccount.setCap`: "it counts from now on"), also in its own bundle,
    /// all of which is validated before.
    function test_found_firstCapInABundleCounts() public {
        Grant memory terms = standardGrant();
        install(terms);
        PackedUserOperation memory cap = ownerOp(
            single(address(account), 0, abi.encodeCall(account.setCap, (address(token), 5 ether, BUCKET)))
        );
        PackedUserOperation memory op = _pay(terms, 5 ether);
        send(bundle(cap, op));
        assertTrue(
            token.balanceOf(payees[3]) == 0 || !trySend(_pay(terms, 5 ether)),
            "paid 10 under a cap of 5"
        );
    }

    /// No promise broken: an operation is stopped as a whole or not at all. A guardian whom it pays freezes in its midst; the
    /// rest of it still pays, the next operation of the bundle does not.
    function test_found_freezeInsideAnOperationStopsTheNext() public {
        FreezingPayee freezer = new FreezingPayee(account);
        vm.prank(owner);
        account.setGuardian(address(freezer), true);
        payees[0] = address(freezer);
        Grant memory terms = standardGrant();
        terms.asset = address(0);
        install(terms);
        bytes memory callData = batch(Execution(payees[0], 1, ""), Execution(payees[1], 2, ""));
        CallProof[] memory proofs = list(payeePath(0), payeePath(1));
        PackedUserOperation memory first = build(ruledDraft(terms, callData), tailOf(terms, proofs));
        Draft memory d = ruledDraft(terms, single(Execution(payees[2], 3, "")));
        d.nonceKey = laneOf(agent, 1);
        bool[] memory success = send(bundle(first, build(d, tailOf(terms, list(payeePath(2))))));
        assertTrue(success[0] && !success[1] && account.frozen(), "not frozen in between");
        assertEq(payees[1].balance, 2);
        assertEq(payees[2].balance, 0);
    }
}

/// A guardian who freezes as soon as he is paid.
contract FreezingPayee {
    IAgentAccount private immutable ACCOUNT;

    constructor(IAgentAccount account) {
        ACCOUNT = account;
    }

    receive() external payable {
        ACCOUNT.freeze();
    }
}
