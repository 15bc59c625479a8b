// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Calls addresses that strangers name, with bytes that strangers choose, so that nobody with money or authority has to: the
/// deployment in an ERC-6492 signature, a token's `permit`. It holds nothing, nobody trusts it, and anybody may use it.
/// Never give it an allowance or a role.
contract Outsider {
    /// Calls, and answers whether that succeeded. Reverts never, but for lack of gas.
    function run(address target, bytes calldata data) external returns (bool done) {
        // solhint-disable-next-line avoid-low-level-calls
        (done, ) = target.call(data);
    }
}
