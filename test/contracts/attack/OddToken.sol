// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// What is odd about a token. All of them pay; ReturnsFalse denies it.
enum Oddity {
    None,
    TakesFees,
    NoReturnValue,
    ReturnsFalse,
    RevertsAtTimes,
    Reentrant
}

interface IAccomplice {
    function act() external;
}

/// A token of any kind there is, with a second address for the same balances. It says by events what it did, whoever asked
/// for it, so that a record needs no balances: those change by themselves.
contract OddToken {
    event Moved(address by, address from, address to, uint256 amount);
    event Allowed(address by, address from, address spender, uint256 amount);

    Oddity public oddity;
    Twin public immutable TWIN = new Twin(this);
    IAccomplice private immutable ACCOMPLICE;
    mapping(address holder => uint256 amount) public balanceOf;
    mapping(address holder => mapping(address spender => uint256 amount)) public allowance;
    /// What others than the holder moved, ever: a log would outlive a call that is undone.
    mapping(address holder => uint256 amount) public pulledFrom;
    uint256 private _calls;

    constructor(IAccomplice accomplice) {
        ACCOMPLICE = accomplice;
    }

    function become(Oddity oddity_) external {
        oddity = oddity_;
    }

    /// Rebases one holder, up or down.
    function rebase(address holder, uint256 to) external {
        balanceOf[holder] = to;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _answer(_move(msg.sender, msg.sender, to, amount));
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _answer(_move(msg.sender, from, to, amount));
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Allowed(msg.sender, msg.sender, spender, amount);
        return _answer(true);
    }

    function increaseAllowance(address spender, uint256 added) external returns (bool) {
        allowance[msg.sender][spender] += added;
        emit Allowed(msg.sender, msg.sender, spender, added);
        return _answer(true);
    }

    /// Asks for no signature if the holder calls: there are such tokens.
    function permit(
        address holder,
        address spender,
        uint256 amount,
        uint256,
        uint8,
        bytes32,
        bytes32
    ) external {
        require(msg.sender == holder, "not yours");
        allowance[holder][spender] = amount;
        emit Allowed(msg.sender, holder, spender, amount);
    }

    /// Functions that move as well, by names that fewer tokens have.
    function push(address to, uint256 amount) external {
        _move(msg.sender, msg.sender, to, amount);
    }

    function transferAndCall(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, msg.sender, to, amount);
    }

    function fromTwin(address by, address from, address to, uint256 amount) external returns (bool) {
        require(msg.sender == address(TWIN), "not the twin");
        return _move(by, from, to, amount);
    }

    function approveFromTwin(address by, address spender, uint256 amount) external {
        require(msg.sender == address(TWIN), "not the twin");
        allowance[by][spender] = amount;
        emit Allowed(by, by, spender, amount);
    }

    function _move(address by, address from, address to, uint256 amount) private returns (bool) {
        ++_calls;
        if (oddity == Oddity.RevertsAtTimes) require(uint256(keccak256(abi.encode(_calls, amount))) % 3 != 0);
        if (oddity == Oddity.Reentrant) ACCOMPLICE.act();
        if (by != from)
            (allowance[from][by], pulledFrom[from]) = (
                allowance[from][by] - amount,
                pulledFrom[from] + amount
            );
        balanceOf[from] -= amount;
        balanceOf[to] += oddity == Oddity.TakesFees ? amount - amount / 100 : amount;
        emit Moved(by, from, to, amount);
        if (oddity == Oddity.Reentrant) ACCOMPLICE.act();
        return true;
    }

    function _answer(bool done) private view returns (bool) {
        if (oddity == Oddity.NoReturnValue) {
            assembly {
                return(0, 0)
            }
        }
        return done && oddity != Oddity.ReturnsFalse;
    }
}

/// The second address.
contract Twin {
    OddToken private immutable MAIN;

    constructor(OddToken main) {
        MAIN = main;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return MAIN.fromTwin(msg.sender, msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return MAIN.fromTwin(msg.sender, from, to, amount);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        MAIN.approveFromTwin(msg.sender, spender, amount);
        return true;
    }
}
