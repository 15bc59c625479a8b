// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEntryPoint, PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {IAccomplice, OddToken} from "./OddToken.sol";
import {Thief} from "./Thief.sol";

/// A payee, a router and the accomplice of tokens: whenever it is called it tries every door and pulls every allowance it has.
contract Gang is Thief, IAccomplice {
    event Received(address from, uint256 amount);

    OddToken[] private _tokens;
    bool private _busy;
    uint256 private _coins;

    constructor(IAgentAccount account, IEntryPoint entryPoint) Thief(account, entryPoint) {}

    receive() external payable override {
        emit Received(msg.sender, msg.value);
        act();
    }

    function join(OddToken token) external {
        _tokens.push(token);
    }

    /// What a rule lets the agent call.
    function swap(address, uint256, address) external payable {
        if (msg.value != 0) emit Received(msg.sender, msg.value);
        act();
    }

    function act() public {
        if (_busy) return;
        _busy = true;
        rob();
        pullAll();
        _busy = false;
    }

    /// Takes half of an allowance, all of it, or waits.
    function pullAll() public {
        for (uint256 i = 0; i < _tokens.length; ++i) {
            uint256 amount = _tokens[i].allowance(address(ACCOUNT), address(this));
            uint256 held = _tokens[i].balanceOf(address(ACCOUNT));
            if (amount > held) amount = held;
            uint256 coin = uint256(keccak256(abi.encode(++_coins))) % 4;
            if (amount == 0 || coin == 0) continue;
            // Odd tokens answer oddly: no Solidity call, which would look at the answer.
            (bool done, ) = address(_tokens[i]).call(
                abi.encodeCall(
                    OddToken.transferFrom,
                    (address(ACCOUNT), address(this), coin == 1 ? amount / 2 : amount)
                )
            );
            done;
        }
    }
}

/// A router that takes what it was told to, and gives nothing: only the account's side counts here.
contract PlainRouter {
    event Received(address from, uint256 amount);

    receive() external payable {
        emit Received(msg.sender, msg.value);
    }

    function swap(address tokenIn, uint256 amount, address) external payable {
        if (msg.value != 0) emit Received(msg.sender, msg.value);
        if (amount == 0 || tokenIn == address(0)) return;
        (bool done, ) = tokenIn.call(
            abi.encodeCall(OddToken.transferFrom, (msg.sender, address(this), amount))
        );
        require(done, "no allowance");
    }
}

/// A bundler that is a contract: each operation in a bundle of its own, all in one transaction.
contract ContractBundler {
    function send(IEntryPoint entryPoint, PackedUserOperation[] calldata ops) external {
        for (uint256 i = 0; i < ops.length; ++i) {
            PackedUserOperation[] memory alone = new PackedUserOperation[](1);
            alone[0] = ops[i];
            entryPoint.handleOps(alone, payable(msg.sender));
        }
    }
}

/// An approver that is a contract: it approves what it was told to (ERC-1271).
contract ContractApprover {
    mapping(bytes32 digest => bool yes) private _approved;

    function approve(bytes32 digest) external {
        _approved[digest] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return _approved[digest] ? this.isValidSignature.selector : bytes4(0);
    }
}

/// Pays for anybody.
contract Sponsor {
    function validatePaymasterUserOp(
        PackedUserOperation calldata,
        bytes32,
        uint256
    ) external pure returns (bytes memory, uint256) {
        return ("", 0);
    }
}
