// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// Assertions, numbers in bounds, and contracts from their artifacts.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Unequal(bytes32 actual, bytes32 expected);
    error Untrue(string what);

    function assertEq(uint256 actual, uint256 expected) internal pure {
        if (actual != expected) revert Unequal(bytes32(actual), bytes32(expected));
    }

    function assertEq(address actual, address expected) internal pure {
        if (actual != expected) revert Unequal(bytes32(bytes20(actual)), bytes32(bytes20(expected)));
    }

    function assertEq(bytes32 actual, bytes32 expected) internal pure {
        if (actual != expected) revert Unequal(actual, expected);
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert Untrue(what);
    }

    /// A number from `low` to `high`, both included.
    function bound(uint256 any, uint256 low, uint256 high) internal pure returns (uint256) {
        return high - low == type(uint256).max ? any : low + (any % (high - low + 1));
    }

    /// Creation code of an artifact.
    function codeOf(string memory artifact) internal view returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(artifact), ".bytecode");
    }

    /// Creation code, run.
    function deploy(bytes memory code) internal returns (address made) {
        // No Solidity deploys bytes from memory: new Contract{}() needs a contract known to the compiler.
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        assertTrue(made != address(0), "deployment failed");
    }
}
