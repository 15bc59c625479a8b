// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountMatrixTest} from "../base/AccountMatrixTest.sol";
import {ValidatorMatrixTest} from "../base/ValidatorMatrixTest.sol";

/// The module on EntryPoint 0.8.
contract ValidatorOnEntryPoint08Test is ValidatorMatrixTest {
    function entryPointPackage() internal pure override returns (string memory) {
        return "@account-abstraction/contracts";
    }
}

/// Our account on EntryPoint 0.8.
contract AccountOnEntryPoint08Test is AccountMatrixTest {
    function entryPointPackage() internal pure override returns (string memory) {
        return "@account-abstraction/contracts";
    }
}
