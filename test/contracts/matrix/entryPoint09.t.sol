// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountMatrixTest} from "../base/AccountMatrixTest.sol";
import {ValidatorMatrixTest} from "../base/ValidatorMatrixTest.sol";

/// The module on EntryPoint 0.9.0-rc.1, the only 0.9 that npm has: its bytecode is not that of the canonical deployment.
contract ValidatorOnEntryPoint09Test is ValidatorMatrixTest {
    function entryPointPackage() internal pure override returns (string memory) {
        return "entrypoint-09";
    }
}

/// Our account on EntryPoint 0.9.0-rc.1, the only 0.9 that npm has: its bytecode is not that of the canonical deployment.
contract AccountOnEntryPoint09Test is AccountMatrixTest {
    function entryPointPackage() internal pure override returns (string memory) {
        return "entrypoint-09";
    }
}
