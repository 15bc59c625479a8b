// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// What `SpendGrant` uses of Permit2 (Uniswap, MIT), whose address is the same on most chains:
/// 0x000000000022D473030F116dDEE9F6B43aC78BA3. Someone who lets Permit2 pull a token once gives allowances by signature from
/// then on.
interface IAllowanceTransfer {
    /// @param token ERC-20 token.
    /// @param amount Base units. The largest number means: without limit.
    /// @param expiration Last second at which the allowance may be used, unix time. 0: only in the block that sets it.
    /// @param nonce The next one of (owner, token, spender).
    struct PermitDetails {
        address token;
        uint160 amount;
        uint48 expiration;
        uint48 nonce;
    }

    /// @param spender Who may pull.
    /// @param sigDeadline Last second at which the signature may be brought, unix time.
    struct PermitSingle {
        PermitDetails details;
        address spender;
        uint256 sigDeadline;
    }

    /// Sets the allowance that `owner` signed. Anybody may bring it.
    function permit(address owner, PermitSingle memory permitSingle, bytes calldata signature) external;

    /// Pulls `amount` of the allowance that msg.sender has.
    function transferFrom(address from, address to, uint160 amount, address token) external;

    /// What is left of an allowance.
    function allowance(
        address owner,
        address token,
        address spender
    ) external view returns (uint160 amount, uint48 expiration, uint48 nonce);
}
