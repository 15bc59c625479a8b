// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Makes agent accounts as ERC-1167 clones at addresses known in advance. Nobody owns it.
interface IAgentAccountFactory {
    /// A new account, ready to use.
    event AccountCreated(address indexed account, address indexed owner, uint256 salt);

    /// The account of (owner, salt). Makes and initializes it if it does not exist yet; anybody may call this.
    /// @param owner Owner of the account, not zero.
    /// @param salt Any number; one owner may have many accounts.
    function createAccount(address owner, uint256 salt) external returns (address account);

    /// Address of the account of (owner, salt), whether it exists or not.
    function getAddress(address owner, uint256 salt) external view returns (address account);

    /// The contract that all accounts of this factory delegate to.
    function implementation() external view returns (address);
}
