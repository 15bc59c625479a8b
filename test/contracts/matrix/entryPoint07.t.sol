// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ValidatorMatrixTest} from "../base/ValidatorMatrixTest.sol";

/// The module on EntryPoint 0.7.
contract ValidatorOnEntryPoint07Test is ValidatorMatrixTest {
    function entryPointPackage() internal pure override returns (string memory) {
        return "entrypoint-07";
    }
}
