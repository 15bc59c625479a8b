// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Execution} from "@openzeppelin/contracts/interfaces/draft-IERC7579.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {AgentSpendGrant, Budget, ISpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {
    CallProof,
    Condition,
    Grant,
    ISpendPolicy,
    Rule,
    Status
} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {Draft} from "./AccountTest.sol";
import {RuledTest} from "./RuledTest.sol";

/// Parts of `SpendGrant` that its interface leaves to OpenZeppelin's.
interface IMulticall {
    function multicall(bytes[] calldata data) external returns (bytes[] memory);
}

/// A SpendGrant, a payer who has nothing but a key and tokens, an agent that is a key, and one that is a key of an account.
abstract contract SpendGrantTest is RuledTest {
    uint256 internal constant PAYER_KEY = uint256(keccak256("payer"));
    uint256 internal constant WINDOW = 1 days;

    address internal immutable payer = vm.addr(PAYER_KEY);
    /// Where Permit2 is, if it is.
    address internal constant PERMIT2 = 0x000000000022D473030F116dDEE9F6B43aC78BA3;
    /// The usual CREATE2 deployer.
    address private constant DEPLOYER = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    ISpendGrant internal grants;

    function setUp() public virtual override {
        super.setUp();
        grants = newSpendGrant(factory.implementation());
        token.mint(payer, 1_000_000 ether);
        allow(payer, 1_000_000 ether);
    }

    function newSpendGrant(address implementation) internal returns (ISpendGrant) {
        bytes memory code = codeOf("artifacts/contracts/SpendGrant.sol/SpendGrant.json");
        return ISpendGrant(deploy(bytes.concat(code, abi.encode(implementation, PERMIT2))));
    }

    /// The real one, where it is on every chain: another code would land elsewhere.
    function deployPermit2() internal {
        string memory json = vm.readFile("test/accounts/permit2.json");
        vm.etch(
            DEPLOYER,
            hex"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
        );
        (bool done, ) = DEPLOYER.call(
            bytes.concat(vm.parseJsonBytes32(json, ".salt"), vm.parseJsonBytes(json, ".bytecode"))
        );
        assertTrue(done && PERMIT2.code.length != 0, "no Permit2");
    }

    function allow(address from, uint256 amount) internal {
        vm.prank(from);
        token.approve(address(grants), amount);
    }

    // Grants.

    /// 5 per call, 50 per window of a day, 1000 in all, for 30 days, 8 payees; for the agent that is a key.
    function directGrant() internal view returns (AgentSpendGrant memory grant) {
        grant.account = payer;
        grant.agent = agent;
        grant.agentKey = agent;
        grant.token = address(token);
        grant.perCall = 5 ether;
        grant.perWindow = 50 ether;
        grant.window = uint48(WINDOW);
        grant.total = 1000 ether;
        grant.validAfter = uint48(START - 1);
        grant.validUntil = uint48(START + 30 days);
        grant.payees = sorted(payees);
        grant.salt = uint256(keccak256("salt"));
        grant.purpose = keccak256("Pay the bills");
        grant.policyHash = keccak256("policy");
    }

    /// The same for the agent's key of the account.
    function accountGrant() internal view returns (AgentSpendGrant memory grant) {
        grant = directGrant();
        grant.agent = address(account);
    }

    function anybody(AgentSpendGrant memory grant) internal pure returns (AgentSpendGrant memory) {
        (grant.payees, grant.anyPayee) = (new address[](0), true);
        return grant;
    }

    function sorted(address[] memory list) internal pure returns (address[] memory) {
        for (uint256 i = 1; i < list.length; ++i)
            for (uint256 j = i; j > 0 && list[j] < list[j - 1]; --j)
                (list[j], list[j - 1]) = (list[j - 1], list[j]);
        return list;
    }

    function only(address payee) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = payee;
    }

    /// hashStruct(AgentSpendGrant), as EIP-712 says.
    function structHashOf(AgentSpendGrant memory grant) internal pure returns (bytes32) {
        bytes memory first = abi.encode(
            keccak256(
                "AgentSpendGrant(address account,address agent,address agentKey,address token,uint160 perCall,uint160 perWindow,uint48 window,uint160 total,uint48 validAfter,uint48 validUntil,address[] payees,bool anyPayee,uint64 epoch,uint256 salt,string purpose,bytes32 policyHash)"
            ),
            grant.account,
            grant.agent,
            grant.agentKey,
            grant.token,
            grant.perCall,
            grant.perWindow,
            grant.window,
            grant.total
        );
        bytes memory second = abi.encode(
            grant.validAfter,
            grant.validUntil,
            keccak256(abi.encodePacked(grant.payees)),
            grant.anyPayee,
            grant.epoch,
            grant.salt,
            grant.purpose,
            grant.policyHash
        );
        return keccak256(bytes.concat(first, second));
    }

    function digestOf(
        AgentSpendGrant memory grant,
        address contract_,
        uint256 chain
    ) internal pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Bursar SpendGrant"),
                keccak256("1"),
                chain,
                contract_
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHashOf(grant)));
    }

    function digestOf(AgentSpendGrant memory grant) internal view returns (bytes32) {
        return digestOf(grant, address(grants), block.chainid);
    }

    function signedBy(uint256 key, AgentSpendGrant memory grant) internal view returns (bytes memory) {
        return signed(key, digestOf(grant));
    }

    /// Puts a grant of the payer's in force.
    function approve(AgentSpendGrant memory grant) internal returns (bytes32) {
        return grants.approveBySignature(grant, signedBy(PAYER_KEY, grant));
    }

    function statusOf(AgentSpendGrant memory grant) internal view returns (Status) {
        return grants.statusOf(grant.account, digestOf(grant));
    }

    function assertStatus(AgentSpendGrant memory grant, Status status) internal view {
        assertEq(uint256(statusOf(grant)), uint256(status));
    }

    // Spends of the agent that is a key.

    function spendDirectly(AgentSpendGrant memory grant, address payee, uint256 amount) internal {
        uint32 size_ = uint32(++size);
        vm.prank(grant.agent);
        grants.spendDirectly(grant, payee, amount, Source.Token, size_, keccak256(abi.encode("root", size_)));
    }

    function spendDirectlyRefused(
        AgentSpendGrant memory grant,
        address payee,
        uint256 amount,
        bytes memory reason
    ) internal {
        uint32 size_ = uint32(++size);
        vm.expectRevert(reason);
        vm.prank(grant.agent);
        grants.spendDirectly(grant, payee, amount, Source.Token, size_, bytes32("root"));
    }

    // Spends of the account's agent.

    /// The policy of an agent that may call functions of SpendGrant, and nothing else.
    function spenderPolicy(
        bytes4 selector,
        uint256 salt
    ) internal view returns (Grant memory terms, Rule memory rule) {
        rule.target = address(grants);
        rule.selector = selector;
        rule.conditions = new Condition[](0);
        terms = standardGrant();
        terms.salt = salt;
        terms.extras.rules = rootOf(rule);
    }

    /// One call of SpendGrant as a batch.
    function batchOf(bytes memory data) internal view returns (bytes memory) {
        Execution[] memory calls = new Execution[](1);
        calls[0] = Execution(address(grants), 0, data);
        return batch(calls);
    }

    function spendCall(
        AgentSpendGrant memory grant,
        address payee,
        uint256 amount
    ) internal view returns (bytes memory) {
        return abi.encodeCall(grants.spend, (grant, payee, amount, Source.Token));
    }

    /// The operation with which a key of the account calls SpendGrant. Its policy has to be installed.
    function operationOf(
        uint256 key,
        uint256 salt,
        bytes memory callData,
        bytes4 selector
    ) internal returns (PackedUserOperation memory) {
        (Grant memory terms, Rule memory rule) = spenderPolicy(selector, salt);
        terms.agent = vm.addr(key);
        Draft memory d = ruledDraft(terms, callData);
        d.agentKey = key;
        return build(d, tailOf(terms, list(byRule(rule))));
    }

    /// Lets a key of the account call a function of SpendGrant.
    function employ(uint256 key, uint256 salt, bytes4 selector) internal {
        (Grant memory terms, ) = spenderPolicy(selector, salt);
        terms.agent = vm.addr(key);
        install(terms);
    }

    /// What the law refuses, in bytes.
    function refusal(bytes4 name, uint256 actual, uint256 allowed) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(name, actual, allowed);
    }

    function notPayee(address payee) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(ISpendPolicy.PayeeNotAllowed.selector, payee);
    }
}
