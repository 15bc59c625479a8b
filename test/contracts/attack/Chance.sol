// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Test} from "../base/Test.sol";

/// Chance out of one seed, and a tally of what it led to. `npm run test:invariants` adds the tallies of all runs.
abstract contract Chance is Test {
    uint256 internal random;
    bytes32[] private _names;
    mapping(bytes32 name => uint256 times) private _times;

    function next() internal returns (uint256) {
        random = uint256(keccak256(abi.encode(random)));
        return random;
    }

    function pick(uint256 choices) internal returns (uint256) {
        return next() % choices;
    }

    error TooFew(string name, uint256 actual, uint256 expected);

    /// Notes that it happened.
    function count(bytes32 name) internal {
        if (_times[name]++ == 0) _names.push(name);
    }

    /// Whether it happened so often: an attack that is beaten at the gate proves nothing.
    function atLeast(bytes32 name, uint256 expected) internal view {
        if (_times[name] < expected) revert TooFew(string(abi.encodePacked(name)), _times[name], expected);
    }

    /// Counts why a bundle was refused: by the account's error, or by the EntryPoint's words.
    function countRefusal(bytes memory failure) internal {
        bytes4 selector = bytes4(failure);
        bytes memory arguments = new bytes(failure.length - 4);
        for (uint256 i = 4; i < failure.length; ++i) arguments[i - 4] = failure[i];
        if (selector == 0x220266b6) {
            // FailedOp(uint256,string)
            (, string memory words) = abi.decode(arguments, (uint256, string));
            count(bytes32(bytes(words)));
        } else if (selector == 0x65c8fd4d) {
            // FailedOpWithRevert(uint256,string,bytes)
            (, , bytes memory inner) = abi.decode(arguments, (uint256, string, bytes));
            count(inner.length < 4 ? bytes32("no reason") : bytes32(bytes4(inner)));
        } else {
            count(bytes32(selector));
        }
    }

    /// Leaves the tally for whoever asked: a line of names in hex and numbers.
    function tell() internal {
        string memory path = vm.envOr("BURSAR_TALLY", string(""));
        if (bytes(path).length == 0) return;
        string memory line = "";
        for (uint256 i = 0; i < _names.length; ++i)
            line = string.concat(line, vm.toString(_names[i]), " ", vm.toString(_times[_names[i]]), " ");
        vm.writeLine(path, line);
    }
}
