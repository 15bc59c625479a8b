// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Extras, Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {RuledTest} from "../base/RuledTest.sol";

contract OperationCountersTest is RuledTest {
    /// Bits 152 to 175 count operations ever, the lowest lane those of the newest bucket; a grant without counts has no word.
    function test_operationCounters_count(uint8 times) public {
        uint256 sent = bound(times, 1, 4);
        Extras memory extras;
        (extras.operations, extras.operationsPerWindow) = (100, 50);
        Grant memory counted = grantWith(extras);
        install(counted);
        install(standardGrant());
        for (uint256 i = 0; i < sent; ++i)
            send(build(ruledDraft(counted, single(payment(3, 1))), tailOf(counted, list(payeePath(3)))));
        send(draft(standardGrant()));
        uint256 word = account.operationCounters(account.policyIdOf(counted));
        assertEq(uint24(word >> 152), sent);
        assertEq(uint16(word), sent);
        assertEq(account.operationCounters(account.policyIdOf(standardGrant())), 0);
    }
}
