// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {Caveat, Delegation, IDelegationManager} from "../../../contracts/interfaces/IDelegationManager.sol";
import {IPermissionSpender} from "../../../contracts/interfaces/IPermissionSpender.sol";
import {Grant, Rule, Condition} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "./AccountTest.sol";
import {RuledTest} from "./RuledTest.sol";

/// Parts of the real manager that our interface leaves out.
interface IFrameworkManager {
    error CannotUseADisabledDelegation();
    error InvalidEOASignature();
    error InvalidERC1271Signature();
    error InvalidDelegate();

    function disableDelegation(Delegation calldata delegation) external;
    function getDomainHash() external view returns (bytes32);
}

/// The real delegation framework; a payer whose key delegates to its account (EIP-7702), as wallets do; the spender of the standard account's
/// agent; and a permission of the kind erc20-token-periodic.
abstract contract PermissionTest is RuledTest {
    uint256 internal constant PAYER_KEY = uint256(keccak256("payer"));
    bytes32 internal constant ROOT = bytes32(type(uint256).max);
    uint256 internal constant PERIOD = 1 days;

    address internal immutable payer = vm.addr(PAYER_KEY);
    IDelegationManager internal manager;
    IPermissionSpender internal spender;
    address internal periodEnforcer;
    address internal timestampEnforcer;
    address internal valueEnforcer;

    function setUp() public virtual override {
        super.setUp();
        manager = IDelegationManager(deploy(bytes.concat(framework("DelegationManager"), abi.encode(owner))));
        periodEnforcer = deploy(framework("ERC20PeriodTransferEnforcer"));
        timestampEnforcer = deploy(framework("TimestampEnforcer"));
        valueEnforcer = deploy(framework("ValueLteEnforcer"));
        address wallet = deploy(
            bytes.concat(framework("EIP7702StatelessDeleGator"), abi.encode(manager, entryPoint))
        );
        vm.etch(payer, abi.encodePacked(hex"ef0100", wallet));
        token.mint(payer, 1_000_000 ether);
        spender = newSpender(address(account), agent);
        employ(AGENT_KEY, 1, IPermissionSpender.spend.selector);
    }

    /// Creation code of a contract of the framework: the one long word of its module.
    function framework(string memory name) internal view returns (bytes memory) {
        string memory file = string.concat(
            "node_modules/@metamask/delegation-abis/dist/bytecode/",
            name,
            ".mjs"
        );
        return vm.parseBytes(vm.split(vm.readFile(file), '"')[1]);
    }

    function newSpender(address account_, address key) internal returns (IPermissionSpender) {
        return newSpender(factory.implementation(), account_, key, address(manager));
    }

    function newSpender(
        address implementation,
        address account_,
        address key,
        address manager_
    ) internal returns (IPermissionSpender) {
        bytes memory code = codeOf("artifacts/contracts/PermissionSpender.sol/PermissionSpender.json");
        return
            IPermissionSpender(
                deploy(bytes.concat(code, abi.encode(implementation, account_, key, manager_)))
            );
    }

    // Permissions.

    /// 10 of the token a day, for 30 days.
    function permission() internal view returns (Delegation memory delegation) {
        return permissionOf(address(token));
    }

    function permissionOf(address asset) internal view returns (Delegation memory delegation) {
        delegation.delegate = address(spender);
        delegation.delegator = payer;
        delegation.authority = ROOT;
        delegation.caveats = new Caveat[](3);
        delegation.caveats[0] = Caveat(
            periodEnforcer,
            abi.encodePacked(asset, uint256(10 ether), PERIOD, START - 1),
            ""
        );
        delegation.caveats[1] = Caveat(valueEnforcer, abi.encode(0), "");
        delegation.caveats[2] = Caveat(
            timestampEnforcer,
            abi.encodePacked(uint128(0), uint128(START + 30 days)),
            ""
        );
        delegation.salt = uint256(keccak256("salt"));
    }

    function nameOf(Delegation memory delegation) internal view returns (bytes32) {
        return manager.getDelegationHash(delegation);
    }

    function signedBy(uint256 key, Delegation memory delegation) internal view returns (Delegation memory) {
        bytes32 domain = IFrameworkManager(address(manager)).getDomainHash();
        delegation.signature = signed(
            key,
            keccak256(abi.encodePacked(hex"1901", domain, nameOf(delegation)))
        );
        return delegation;
    }

    function contextOf(Delegation memory delegation) internal pure returns (bytes memory) {
        Delegation[] memory delegations = new Delegation[](1);
        delegations[0] = delegation;
        return abi.encode(delegations);
    }

    /// The standard permission as the payer's wallet answers it.
    function context() internal view returns (bytes memory) {
        return contextOf(signedBy(PAYER_KEY, permission()));
    }

    // Spends.

    /// The policy of an agent that may call a function of the spender, and nothing else.
    function spenderPolicy(
        uint256 key,
        uint256 salt,
        bytes4 selector
    ) internal view returns (Grant memory terms, Rule memory rule) {
        (rule.target, rule.selector, rule.conditions) = (address(spender), selector, new Condition[](0));
        terms = standardGrant();
        (terms.agent, terms.salt) = (vm.addr(key), salt);
        terms.extras.rules = rootOf(rule);
    }

    function employ(uint256 key, uint256 salt, bytes4 selector) internal {
        (Grant memory terms, ) = spenderPolicy(key, salt, selector);
        install(terms);
    }

    /// The operation of a key of the account that calls the spender, with room for what wallets do on the way.
    function operationOf(
        uint256 key,
        uint256 salt,
        bytes memory callData,
        bytes4 selector
    ) internal returns (PackedUserOperation memory op) {
        (Grant memory terms, Rule memory rule) = spenderPolicy(key, salt, selector);
        Draft memory d = ruledDraft(terms, callData);
        d.agentKey = key;
        op = unsigned(callData, d.nonceKey);
        op.accountGasLimits = bytes32((uint256(600_000) << 128) | 900_000);
        sign(op, d, tailOf(terms, list(byRule(rule))));
    }

    function spendCall(
        address token_,
        address payee,
        uint256 amount,
        bytes memory context_
    ) internal view returns (bytes memory) {
        return abi.encodeCall(spender.spend, (payer, token_, payee, amount, context_));
    }

    function batchOf(bytes memory data) internal view returns (bytes memory) {
        Execution[] memory calls = new Execution[](1);
        calls[0] = Execution(address(spender), 0, data);
        return batch(calls);
    }

    /// A spend of the agent's, in its own operation.
    function spending(bytes memory data) internal returns (PackedUserOperation memory) {
        return operationOf(AGENT_KEY, 1, batchOf(data), IPermissionSpender.spend.selector);
    }

    function spend(address payee, uint256 amount, bytes memory context_) internal {
        send(spending(spendCall(address(token), payee, amount, context_)));
    }

    function spendFails(address payee, uint256 amount, bytes memory context_, bytes memory reason) internal {
        executionFails(spending(spendCall(address(token), payee, amount, context_)), reason);
    }

    /// What `require` of an enforcer says.
    function enforcer(string memory words) internal pure returns (bytes memory) {
        return abi.encodeWithSignature("Error(string)", words);
    }
}
