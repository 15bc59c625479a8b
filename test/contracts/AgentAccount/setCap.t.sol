// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Grant, ISpendPolicy} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

contract SetCapTest is AccountTest {
    function _set(address asset, uint256 perWindow, uint256 bucket) private {
        vm.prank(owner);
        account.setCap(asset, perWindow, bucket);
    }

    /// Another agent of the account, under the same terms.
    function _second() private view returns (Grant memory terms) {
        terms = standardGrant();
        terms.agent = other;
    }

    function _draft(Grant memory terms, uint256 amount) private returns (Draft memory d) {
        d = draft(terms);
        d.amount = amount;
        if (terms.agent == other) d.agentKey = OTHER_KEY;
    }

    function _over(uint256 actual, uint256 allowed) private view returns (bytes memory) {
        return abi.encodeWithSelector(ISpendPolicy.OverCap.selector, address(token), actual, allowed);
    }

    function test_setCap_isOverAllAgents() public {
        install(standardGrant());
        install(_second());
        vm.expectEmit(address(account));
        emit ISpendPolicy.CapSet(address(account), address(token), 7 ether, BUCKET);
        _set(address(token), 7 ether, BUCKET);
        (uint256 perWindow, uint256 bucket) = account.capOf(address(token));
        assertEq(perWindow, 7 ether);
        assertEq(bucket, BUCKET);
        send(_draft(standardGrant(), 4 ether));
        refused(_draft(_second(), 3 ether + 1), _over(7.001 ether, 7 ether));
        send(_draft(_second(), 3 ether));
        refused(_draft(standardGrant(), 1), _over(7.001 ether, 7 ether));
    }

    /// Money comes back after the window, and not a second earlier.
    function test_setCap_rolls(uint32 later) public {
        install(standardGrant());
        _set(address(token), 4 ether, BUCKET);
        send(_draft(standardGrant(), 4 ether));
        warp(time + bound(later, 0, 6 * BUCKET - 1));
        refused(_draft(standardGrant(), 1), _over(4.0001 ether, 4 ether));
        warp(START + 7 * BUCKET + 300);
        send(_draft(standardGrant(), 4 ether));
    }

    function test_setCap_leavesOtherAssetsAlone() public {
        Grant memory native = standardGrant();
        native.asset = address(0);
        install(native);
        _set(address(token), 1, BUCKET);
        send(_draft(native, 5 ether));
        assertEq(account.capCounters(address(0)), 0);
        _set(address(0), 1 ether, BUCKET);
        refused(
            _draft(native, 1 ether + 1),
            abi.encodeWithSelector(ISpendPolicy.OverCap.selector, address(0), 1.0001 ether, 1 ether)
        );
    }

    function test_setCap_zeroStopsTheAsset() public {
        install(standardGrant());
        _set(address(token), 0, BUCKET);
        refused(_draft(standardGrant(), 1), _over(1, 0));
        send(_draft(standardGrant(), 0));
    }

    function test_setCap_keepsWhatWasCounted(uint256 perWindow, uint256 bucket, bool sameBucket) public {
        install(standardGrant());
        _set(address(token), 10 ether, BUCKET);
        send(_draft(standardGrant(), 4 ether));
        bucket = sameBucket ? BUCKET : bound(bucket, 300, type(uint24).max);
        perWindow = bound(perWindow, 0, 65_535) * 1e15;
        _set(address(token), perWindow, bucket);
        if (perWindow >= 5 ether) {
            uint256 left = perWindow - 4 ether > 5 ether ? 5 ether : perWindow - 4 ether;
            send(_draft(standardGrant(), left));
        }
        Draft memory d = _draft(standardGrant(), 4.999 ether);
        if (perWindow < 8.999 ether) assertTrue(!trySend(build(d)), "forgot");
    }

    /// From units of 10^15 to units of 10^14.
    function test_setCap_keepsWhatWasCountedInAnotherUnit() public {
        install(standardGrant());
        _set(address(token), 10 ether, BUCKET);
        send(_draft(standardGrant(), 4 ether));
        _set(address(token), 6 ether, BUCKET);
        send(_draft(standardGrant(), 2 ether));
        refused(_draft(standardGrant(), 1), _over(6.0001 ether, 6 ether));
    }

    function test_setCap_removes() public {
        install(standardGrant());
        _set(address(token), 1, BUCKET);
        _set(address(0), 1, BUCKET);
        _set(address(token), 0, 0);
        (uint256 perWindow, uint256 bucket) = account.capOf(address(token));
        assertEq(perWindow | bucket | account.capCounters(address(token)), 0);
        send(_draft(standardGrant(), 5 ether));
        // Removing what is not there counts for nothing.
        _set(address(token), 0, 0);
        _set(address(0), 0, 0);
        send(_draft(standardGrant(), 5 ether));
        assertEq(account.owner(), owner);
    }

    /// The word that every payment reads counts assets with a cap, so that without any nobody looks for one.
    function test_setCap_countsTheAssetsWithOne() public {
        _counted(address(token), 1, 1);
        _counted(address(token), 2, 1);
        _counted(address(0), 1, 2);
        _counted(address(token), 0, 1);
        _counted(address(token), 0, 1);
        _counted(address(0), 0, 0);
        _counted(address(0), 0, 0);
    }

    function _counted(address asset, uint256 perWindow, uint256 expected) private {
        _set(asset, perWindow, perWindow == 0 ? 0 : BUCKET);
        // erc7201("bursar.AgentAccount") + 2: owner 160 | epoch 16 | frozen 8 | heartbeat 40 | caps 16.
        uint256 root = uint256(keccak256(abi.encode(uint256(keccak256("bursar.AgentAccount")) - 1)));
        bytes32 head = vm.load(address(account), bytes32((root & ~uint256(0xff)) + 2));
        assertEq(uint16(uint256(head) >> 224), expected);
        assertEq(address(uint160(uint256(head))), owner);
    }

    /// The largest cap and its neighbour, the shortest and the longest bucket and theirs.
    function test_setCap_endsOfTheFields() public {
        uint256 most = 65_535 * 10 ** 63;
        _set(address(token), most, 300);
        _set(address(token), 65_535 * 10, type(uint24).max);
        (uint256 perWindow, uint256 bucket) = account.capOf(address(token));
        assertEq(perWindow, 65_535 * 10);
        assertEq(bucket, type(uint24).max);
        _unrepresentable(most + 10 ** 63, BUCKET);
        _unrepresentable(10 * most, BUCKET);
        _unrepresentable(655_351, BUCKET);
        _unrepresentable(1, 0);
        _unrepresentable(1, 299);
        _unrepresentable(1, 1 << 24);
    }

    function _unrepresentable(uint256 perWindow, uint256 bucket) private {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.CapNotRepresentable.selector, perWindow, bucket));
        account.setCap(address(token), perWindow, bucket);
    }

    function test_setCap_reverts_notRepresentable(uint256 perWindow, uint256 bucket, uint256 which) public {
        which = bound(which, 0, 2);
        if (which == 0) (perWindow, bucket) = (65_536 + bound(perWindow, 0, 3) * 10 + 1, BUCKET);
        if (which == 1) (perWindow, bucket) = (1, bound(bucket, 1, 299));
        if (which == 2) (perWindow, bucket) = (1, bound(bucket, 1 << 24, type(uint256).max));
        if (which == 1 && bucket == 0) return;
        _unrepresentable(perWindow, bucket);
    }

    function test_setCap_reverts_notOwner(address caller) public {
        vm.assume(caller != owner && caller != address(account) && caller != address(vm));
        vm.expectRevert(notOwner(caller));
        vm.prank(caller);
        account.setCap(address(token), 1, BUCKET);
    }
}
