// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Request, SpendPolicy} from "../../../contracts/libraries/SpendPolicy.sol";
import {AccountTest, Draft} from "../base/AccountTest.sol";

contract Reader {
    /// Everything that is read of an operation, into memory that holds nothing or something else.
    function read(PackedUserOperation calldata userOp, bytes32 rubbish) external pure returns (bytes memory) {
        // Far more than a request takes, behind all that Solidity knows of.
        assembly ("memory-safe") {
            for {
                let at := mload(0x40)
                let end := add(at, 0x1000)
            } lt(at, end) {
                at := add(at, 0x20)
            } {
                mstore(at, rubbish)
            }
        }
        Request memory request = SpendPolicy.room()[0];
        bytes calldata signature = userOp.signature;
        SpendPolicy.read(request, userOp, signature, SpendPolicy.kindOf(signature), userOp.callData);
        SpendPolicy.operationHash(request, keccak256("userOpHash"));
        // Of kind 4 alone.
        request.tail = 0;
        return abi.encode(request);
    }
}

/// Room for a request is not cleared, so all that is looked at has to be written.
contract RoomTest is AccountTest {
    Reader private immutable reader = new Reader();

    function _requireSame(Draft memory d, bytes32 rubbish) private view {
        PackedUserOperation memory op = build(d);
        assertEq(keccak256(reader.read(op, rubbish)), keccak256(reader.read(op, 0)));
    }

    function test_room_ofPayment(bytes32 rubbish) public {
        _requireSame(draft(standardGrant()), rubbish);
    }

    function test_room_ofNativePayment(bytes32 rubbish) public {
        Grant memory terms = standardGrant();
        terms.asset = address(0);
        _requireSame(draft(terms), rubbish);
    }

    function test_room_ofGrantInside(bytes32 rubbish) public {
        Draft memory d = draft(standardGrant());
        d.kind = 2;
        _requireSame(d, rubbish);
    }

    function test_room_ofEmptyOperation(bytes32 rubbish) public {
        Draft memory d = draft(standardGrant());
        d.kind = 3;
        d.amount = 0;
        _requireSame(d, rubbish);
    }
}
