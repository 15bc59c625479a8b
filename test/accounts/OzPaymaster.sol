// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PaymasterSigner} from "@openzeppelin/contracts/account/paymaster/extensions/PaymasterSigner.sol";
import {IEntryPoint} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// A paymaster as people have it, of OpenZeppelin's parts: it pays for what one key has signed, for as long as that says.
contract OzPaymaster is PaymasterSigner {
    IEntryPoint private immutable ENTRY_POINT;
    // Not in storage: only a staked paymaster may read its own while it validates (ERC-7562).
    address private immutable SIGNER;

    constructor(IEntryPoint entryPoint_, address signer) EIP712("OzPaymaster", "1") {
        ENTRY_POINT = entryPoint_;
        SIGNER = signer;
    }

    function entryPoint() public view override returns (IEntryPoint) {
        return ENTRY_POINT;
    }

    function _rawSignatureValidation(
        bytes32 hash,
        bytes calldata signature
    ) internal view override returns (bool) {
        (address signer, , ) = ECDSA.tryRecoverCalldata(hash, signature);
        return signer == SIGNER;
    }
}
