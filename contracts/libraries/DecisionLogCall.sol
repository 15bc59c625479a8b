// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {IDecisionLog} from "../interfaces/IDecisionLog.sol";

/// How contracts that commit decisions call the DecisionLog.
library DecisionLogCall {
    /// Logs the decisions that an operation claims. Whether there is code at `log` was asked once, by a constructor: without it
    /// every commit would succeed, and log nothing.
    function commit(address log, address account, address agent, uint256 size, bytes32 root) internal {
        bytes4 selector = IDecisionLog.commit.selector;
        bool done;
        // IDecisionLog(log).commit(account, agent, size, root), without asking for its code
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, selector)
            mstore(add(free, 0x04), account)
            mstore(add(free, 0x24), agent)
            mstore(add(free, 0x44), size)
            mstore(add(free, 0x64), root)
            done := call(gas(), log, 0, free, 0x84, 0, 0)
        }
        if (!done) LowLevelCall.bubbleRevert();
    }
}
