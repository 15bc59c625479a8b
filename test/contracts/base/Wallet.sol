// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// A contract wallet as they are: one key, ERC-1271, calls anything for it.
contract Wallet {
    address private immutable KEY;

    constructor(address key) {
        KEY = key;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s, uint8 v) = (
            bytes32(signature[:32]),
            bytes32(signature[32:64]),
            uint8(signature[64])
        );
        return ecrecover(hash, v, r, s) == KEY ? bytes4(0x1626ba7e) : bytes4(0);
    }

    function run(address target, bytes calldata data) external {
        require(msg.sender == KEY, "not the key");
        (bool done, ) = target.call(data);
        require(done, "failed");
    }
}

/// Makes wallets at addresses known in advance.
contract WalletFactory {
    function make(address key, bytes32 salt) external returns (Wallet) {
        return new Wallet{salt: salt}(key);
    }

    function addressOf(address key, bytes32 salt) external view returns (address) {
        bytes32 code = keccak256(bytes.concat(type(Wallet).creationCode, abi.encode(key)));
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", address(this), salt, code)))));
    }
}
