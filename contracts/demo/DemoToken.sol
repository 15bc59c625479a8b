// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// Play money for local chains only: anybody may mint. Six decimals, as the common dollar tokens have.
contract DemoToken is ERC20("Demo Dollar", "DEMO") {
    /// Makes `amount` base units out of nothing.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
