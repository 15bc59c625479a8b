// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IERC7579Execution, IERC7579ModuleConfig} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {Approval, CallProof, Grant, ISpendPolicy, Tail} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {ISpendPolicyValidator} from "../../../contracts/interfaces/ISpendPolicyValidator.sol";
import {AccountTest, Draft} from "./AccountTest.sol";

/// test/accounts/OzAccount.sol and OzHookedAccount.sol.
interface IOzAccount is IERC7579Execution, IERC7579ModuleConfig, IERC1271 {
    function initialize(address root, address module, bytes calldata data) external;
}

/// A real EntryPoint, the module, and clones of OpenZeppelin's accounts that have it. `account` is the one under test: first
/// the one with the hook. The module's owner is `owner`; operations of the account's own key are `rootOp`.
abstract contract ValidatorTest is AccountTest {
    uint256 internal constant ROOT_KEY = uint256(keccak256("root"));
    uint256 internal constant VALIDATOR = 1;
    uint256 internal constant EXECUTOR = 2;
    uint256 internal constant HOOK = 4;

    ISpendPolicyValidator internal module;
    IOzAccount internal bare;
    IOzAccount internal hooked;
    address internal bareImplementation;
    address internal hookedImplementation;

    function setUp() public virtual override {
        super.setUp();
        module = newModule();
        bareImplementation = deployAccount("OzAccount");
        hookedImplementation = deployAccount("OzHookedAccount");
        bare = newAccount(bareImplementation, abi.encodePacked(owner));
        hooked = newAccount(hookedImplementation, abi.encodePacked(owner));
        use(hooked);
    }

    /// The EntryPoint under test in all three places: which of them it is can't be seen from it.
    function newModule() internal returns (ISpendPolicyValidator) {
        bytes memory code = codeOf("artifacts/contracts/SpendPolicyValidator.sol/SpendPolicyValidator.json");
        return
            ISpendPolicyValidator(
                deploy(bytes.concat(code, abi.encode(log, address(0x70), entryPoint, address(0x90))))
            );
    }

    function deployAccount(string memory name) internal returns (address) {
        string memory artifact = string.concat("artifacts/test/accounts/", name, ".sol/", name, ".json");
        return deploy(bytes.concat(codeOf(artifact), abi.encode(entryPoint)));
    }

    function newAccount(address implementation, bytes memory data) internal returns (IOzAccount made) {
        made = IOzAccount(Clones.clone(implementation));
        made.initialize(vm.addr(ROOT_KEY), address(module), data);
        token.mint(address(made), 1_000_000 ether);
        vm.deal(address(made), 1000 ether);
        entryPoint.depositTo{value: 100 ether}(address(made));
    }

    function use(IOzAccount other_) internal {
        account = IAgentAccount(address(other_));
    }

    // What differs from an account of ours.

    function install(Grant memory terms) internal override returns (bytes32 policyId) {
        vm.prank(owner);
        return module.grant(address(account), terms);
    }

    function policyIdOf(Grant memory terms) internal view override returns (bytes32) {
        return module.policyIdOf(terms);
    }

    function termsOf(Grant memory terms) internal view override returns (bytes24) {
        return module.termsOf(terms);
    }

    function epochNow() internal view override returns (uint256) {
        return module.epoch(address(account));
    }

    /// There is one lane for each agent.
    function laneOf(address agent_, uint32) internal view override returns (uint192) {
        return laneOf(module, agent_);
    }

    function laneOf(ISpendPolicyValidator module_, address agent_) internal pure returns (uint192) {
        return (uint192(uint160(address(module_))) << 32) | uint32(bytes4(bytes20(agent_)));
    }

    function digest(bytes32 structHash) internal view override returns (bytes32) {
        return digest(module, address(account), structHash);
    }

    function digest(
        ISpendPolicyValidator module_,
        address account_,
        bytes32 structHash
    ) internal view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
                ),
                keccak256("Bursar"),
                keccak256("1"),
                block.chainid,
                address(module_),
                bytes32(uint256(uint160(account_)))
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    function approvalHash(
        address approver,
        bytes32 policyId,
        bytes32 callHash,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "Approval(address approver,bytes32 policyId,bytes32 callHash,uint256 nonce,uint256 deadline)"
                    ),
                    approver,
                    policyId,
                    callHash,
                    nonce,
                    deadline
                )
            );
    }

    /// Signatures of a key with v, 65 bytes.
    function long(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    // Operations.

    /// An operation of the account's own key: no validator is asked.
    function rootOp(bytes memory callData) internal view returns (PackedUserOperation memory op) {
        op = unsigned(callData, 99);
        op.signature = long(ROOT_KEY, userOpHash(op));
    }

    /// The account calls the module.
    function rootCall(bytes memory data) internal view returns (PackedUserOperation memory) {
        return rootOp(single(address(module), 0, data));
    }

    /// The operation behind the first in one bundle, in the same lane.
    function buildNext(Draft memory d) internal view returns (PackedUserOperation memory op) {
        op = build(d);
        ++op.nonce;
        sign(op, d);
    }

    /// Kind 4: calls and why they are allowed; `approval.signature` is left as it is.
    function buildRuled(
        Draft memory d,
        CallProof[] memory proofs,
        Approval memory approval,
        bool grantInside
    ) internal view returns (PackedUserOperation memory op) {
        op = unsigned(callDataOf(d), d.nonceKey);
        bytes32 policyId = policyIdOf(d.grant);
        bytes memory ownerSignature =
            grantInside ? compact(d.ownerKey, digest(installHash(policyId, d.epoch))) : bytes("");
        Tail memory end = Tail(
            d.grant.asset,
            d.grant.payees,
            d.grant.extras,
            proofs,
            approval,
            ownerSignature
        );
        bytes memory encoded = abi.encode(end);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "RuledOperation(bytes32 userOpHash,bytes32 policyId,uint256 validAfter,uint256 validUntil,uint256 size,bytes32 root,bytes32 tail)"
                ),
                userOpHash(op),
                policyId,
                d.validAfter,
                d.validAfter + d.span,
                d.size,
                d.root,
                keccak256(encoded)
            )
        );
        op.signature = bytes.concat(
            abi.encodePacked(uint8(4), d.grant.agent),
            compact(d.agentKey, digest(structHash)),
            abi.encodePacked(uint32(d.validAfter), uint16(d.span), uint32(d.size), d.root, d.terms),
            encoded
        );
    }

    // Answers.

    function frozenError() internal pure returns (bytes memory) {
        return abi.encodeWithSelector(ISpendPolicy.Frozen.selector);
    }

    /// Storage slot of mapping(bytes32 => mapping(address => …)) at `slot`: the account is innermost.
    function slotOf(uint256 slot, bytes32 key, address account_) internal pure returns (bytes32) {
        return keccak256(abi.encode(account_, keccak256(abi.encode(key, slot))));
    }

    /// Storage slot of mapping(address => …) at `slot`.
    function slotOf(uint256 slot, address account_) internal pure returns (bytes32) {
        return keccak256(abi.encode(account_, slot));
    }
}
