// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountERC7579} from "@openzeppelin/contracts/account/extensions/draft-AccountERC7579.sol";
import {IEntryPoint} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {MODULE_TYPE_VALIDATOR} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// An account as people have it, of OpenZeppelin's parts: one key that may do everything, and our module as a validator.
/// For tests and the bench.
contract OzAccount is AccountERC7579 {
    IEntryPoint private immutable ENTRY_POINT;

    address private _root;

    constructor(IEntryPoint entryPoint_) {
        ENTRY_POINT = entryPoint_;
        _root = address(this);
    }

    function initialize(address root, address module, bytes calldata data) external {
        require(_root == address(0), "initialized");
        _root = root;
        _installModule(MODULE_TYPE_VALIDATOR, module, data);
    }

    function entryPoint() public view override returns (IEntryPoint) {
        return ENTRY_POINT;
    }

    /// For operations whose nonce names no installed validator.
    function _rawSignatureValidation(
        bytes32 hash,
        bytes calldata signature
    ) internal view override returns (bool) {
        (address signer, , ) = ECDSA.tryRecoverCalldata(hash, signature);
        return signer != address(0) && signer == _root;
    }
}
