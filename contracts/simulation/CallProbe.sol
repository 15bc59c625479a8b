// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAccount, PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";

/// Never deployed: a node puts it in the EntryPoint's place for one `eth_call` (state override). An account's calls may rest on
/// what its validation left in transient storage, so their gas is measured behind a validation, in one transaction.
contract CallProbe {
    /// Validates an operation, whatever that says of its signature, then makes its calls as the EntryPoint does.
    /// @return done Whether the calls succeeded.
    /// @return gasUsed What they used, refunds not subtracted.
    /// @return result What came back: of a failure, its reason.
    function probe(
        PackedUserOperation calldata userOp,
        bytes32 userOpHash
    ) external returns (bool done, uint256 gasUsed, bytes memory result) {
        IAccount(userOp.sender).validateUserOp(userOp, userOpHash, 0);
        uint256 before = gasleft();
        // solhint-disable-next-line avoid-low-level-calls
        (done, result) = userOp.sender.call(userOp.callData);
        gasUsed = before - gasleft();
    }
}
