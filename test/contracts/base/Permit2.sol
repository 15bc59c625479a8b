// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAllowanceTransfer} from "../../../contracts/interfaces/IAllowanceTransfer.sol";

/// What tests ask of Permit2 beyond what the product does. Its code is in test/accounts/permit2.json.
interface IPermit2 is IAllowanceTransfer {
    error InsufficientAllowance(uint256 amount);

    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}

/// What a payer signs for Permit2.
library Permit2Digest {
    bytes32 private constant DETAILS = keccak256(
        "PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)"
    );
    bytes32 private constant SINGLE = keccak256(
        "PermitSingle(PermitDetails details,address spender,uint256 sigDeadline)PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)"
    );

    function digestOf(
        IPermit2 permit2,
        IAllowanceTransfer.PermitSingle memory single
    ) internal view returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                SINGLE,
                keccak256(abi.encode(DETAILS, single.details)),
                single.spender,
                single.sigDeadline
            )
        );
        return keccak256(abi.encodePacked(hex"1901", permit2.DOMAIN_SEPARATOR(), structHash));
    }
}
