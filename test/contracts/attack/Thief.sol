// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEntryPoint, PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {Grant} from "../../../contracts/interfaces/ISpendPolicy.sol";

/// A payee, and the conspirator of a token: tries every door of the account while a payment is under way.
contract Thief {
    IAgentAccount internal immutable ACCOUNT;
    IEntryPoint internal immutable ENTRY_POINT;

    /// Fails every test: what it did would be undone if this reverted.
    event DoorOpen(bytes call);

    uint256 public tries;

    constructor(IAgentAccount account, IEntryPoint entryPoint) {
        ACCOUNT = account;
        ENTRY_POINT = entryPoint;
    }

    receive() external payable virtual {
        rob();
    }

    function rob() public {
        ++tries;
        Grant memory terms;
        terms.agent = address(this);
        terms.bucket = 300;
        PackedUserOperation[] memory ops = new PackedUserOperation[](0);
        PackedUserOperation memory op;
        op.sender = address(ACCOUNT);
        bytes[15] memory doors = [
            abi.encodeCall(ACCOUNT.execute, (0, abi.encodePacked(address(this), uint256(1 ether)))),
            abi.encodeCall(ACCOUNT.withdraw, (address(0), payable(this), 1)),
            abi.encodeCall(ACCOUNT.withdrawDeposit, (payable(this), 1)),
            abi.encodeCall(ACCOUNT.grant, (terms)),
            abi.encodeCall(ACCOUNT.initialize, (address(this))),
            abi.encodeCall(ACCOUNT.unfreeze, ()),
            abi.encodeCall(ACCOUNT.revokeAll, ()),
            abi.encodeCall(ACCOUNT.revoke, (bytes32(0))),
            abi.encodeCall(ACCOUNT.freeze, ()),
            abi.encodeCall(ACCOUNT.validateUserOp, (op, 0, 1 ether)),
            abi.encodeCall(ACCOUNT.grantBySignature, (terms, new bytes(65))),
            abi.encodeCall(ACCOUNT.replace, (terms, terms)),
            abi.encodeCall(ACCOUNT.setGuardian, (address(this), true)),
            abi.encodeCall(ACCOUNT.heartbeat, ()),
            abi.encodeCall(ACCOUNT.setCap, (address(0), 0, 0))
        ];
        for (uint256 i = 0; i < doors.length; ++i) {
            (bool open, ) = address(ACCOUNT).call(doors[i]);
            if (open) emit DoorOpen(doors[i]);
        }
        try ENTRY_POINT.handleOps(ops, payable(this)) {
            emit DoorOpen("a bundle inside a bundle");
        } catch {
            return;
        }
    }
}

/// A token that calls the thief in the middle of each transfer.
contract ThievesToken is ERC20 {
    Thief private immutable THIEF;

    constructor(Thief thief) ERC20("Thieves", "THIEF") {
        THIEF = thief;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        THIEF.rob();
        super.transfer(to, amount);
        THIEF.rob();
        return true;
    }
}
