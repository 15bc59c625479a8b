// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {IAgentAccount} from "../../../contracts/interfaces/IAgentAccount.sol";
import {AgentSpendGrant, ISpendGrant, Source} from "../../../contracts/interfaces/ISpendGrant.sol";
import {ISpendPolicy, Status} from "../../../contracts/interfaces/ISpendPolicy.sol";
import {SpendGrantTest} from "../base/SpendGrantTest.sol";
import {Wallet, WalletFactory} from "../base/Wallet.sol";

/// Answers, and tries to do something meanwhile.
contract Changing {
    uint256 private _count;

    function isValidSignature(bytes32, bytes calldata) external returns (bytes4) {
        ++_count;
        return 0x1626ba7e;
    }
}

/// What an ERC-6492 wrapper may make somebody call: looks whose call it is, and takes what it can.
contract FalseFactory {
    event Called(address by);

    IERC20 private immutable TOKEN;
    ISpendGrant private immutable GRANTS;
    address private immutable VICTIM;

    constructor(IERC20 token, ISpendGrant grants, address victim) {
        (TOKEN, GRANTS, VICTIM) = (token, grants, victim);
    }

    function steal(AgentSpendGrant calldata grant, bytes calldata signature) external {
        emit Called(msg.sender);
        (bool pulled, ) = address(TOKEN).call(
            abi.encodeCall(IERC20.transferFrom, (VICTIM, address(this), 1))
        );
        (bool approved, ) = address(GRANTS).call(
            abi.encodeCall(GRANTS.approveBySignature, (grant, signature))
        );
        require(!pulled && !approved, "a door was open");
    }
}

/// Who may sign a grant, and how.
contract SignatureTest is SpendGrantTest {
    bytes32 private constant WRAPPED = 0x6492649264926492649264926492649264926492649264926492649264926492;
    WalletFactory private _wallets;

    function setUp() public override {
        super.setUp();
        _wallets = new WalletFactory();
    }

    function _of(address account_) private view returns (AgentSpendGrant memory grant) {
        grant = directGrant();
        grant.account = account_;
    }

    function _wrap(
        address factory_,
        bytes memory data,
        bytes memory signature
    ) private pure returns (bytes memory) {
        return bytes.concat(abi.encode(factory_, data, signature), WRAPPED);
    }

    function _accepted(AgentSpendGrant memory grant, bytes memory signature) private {
        grants.approveBySignature(grant, signature);
        assertStatus(grant, Status.Granted);
    }

    function _refused(AgentSpendGrant memory grant, bytes memory signature) private {
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.WrongSigner.selector, grant.account));
        grants.approveBySignature(grant, signature);
        assertStatus(grant, Status.Unknown);
    }

    // Keys.

    function test_signature_key(uint256 key) public {
        key = bound(key, 1, 2 ** 255);
        AgentSpendGrant memory grant = _of(vm.addr(key));
        _accepted(grant, signedBy(key, grant));
    }

    function test_signature_reverts_otherKey(uint256 key) public {
        key = bound(key, 1, 2 ** 255);
        vm.assume(key != PAYER_KEY);
        _refused(directGrant(), signedBy(key, directGrant()));
    }

    function test_signature_reverts_agentsOwn() public {
        _refused(directGrant(), signedBy(AGENT_KEY, directGrant()));
    }

    /// Any other byte: not the payer.
    function test_signature_reverts_flippedBit(uint256 bit) public {
        bit = bound(bit, 0, 65 * 8 - 1);
        bytes memory signature = signedBy(PAYER_KEY, directGrant());
        signature[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _refused(directGrant(), signature);
    }

    function test_signature_reverts_otherLength(uint256 length) public {
        length = bound(length, 0, 130);
        vm.assume(length != 65);
        bytes memory whole = signedBy(PAYER_KEY, directGrant());
        bytes memory signature = new bytes(length);
        for (uint256 i = 0; i < length && i < 65; ++i) signature[i] = whole[i];
        _refused(directGrant(), signature);
    }

    /// The other signature that each signature gives away: n - s, other v.
    function test_signature_reverts_highS() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, digestOf(directGrant()));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        _refused(directGrant(), abi.encodePacked(r, order - uint256(s), v == 27 ? uint8(28) : uint8(27)));
    }

    /// One encoding: neither 64 bytes (EIP-2098) nor a v of 0 or 1.
    function test_signature_reverts_otherEncodings() public {
        bytes32 hash = digestOf(directGrant());
        _refused(directGrant(), compact(PAYER_KEY, hash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, hash);
        _refused(directGrant(), abi.encodePacked(r, s, v - 27));
    }

    // Somewhere else.

    function test_signature_reverts_otherChain(uint64 chain) public {
        vm.assume(chain != block.chainid);
        AgentSpendGrant memory grant = directGrant();
        _refused(grant, signed(PAYER_KEY, digestOf(grant, address(grants), chain)));
    }

    function test_signature_reverts_otherContract(address contract_) public {
        vm.assume(contract_ != address(grants));
        AgentSpendGrant memory grant = directGrant();
        _refused(grant, signed(PAYER_KEY, digestOf(grant, contract_, block.chainid)));
    }

    function test_signature_reverts_otherAccount() public {
        _refused(_of(other), signedBy(PAYER_KEY, directGrant()));
        _refused(_of(other), signedBy(PAYER_KEY, _of(other)));
    }

    function test_signature_reverts_otherGrant(uint256 salt) public {
        AgentSpendGrant memory grant = directGrant();
        vm.assume(salt != grant.salt);
        bytes memory signature = signedBy(PAYER_KEY, grant);
        grant.salt = salt;
        _refused(grant, signature);
    }

    /// A chain that splits off gets a new id: there nothing is in force, and nothing signed before is worth anything.
    function test_signature_forkedChain() public {
        AgentSpendGrant memory grant = directGrant();
        bytes memory signature = signedBy(PAYER_KEY, grant);
        approve(grant);
        bytes32 domain = grants.domainSeparator();
        uint256 chain = block.chainid;
        vm.chainId(77);
        assertTrue(grants.domainSeparator() != domain, "the same domain");
        bytes32 hash = digestOf(grant, address(grants), 77);
        assertEq(grants.hashOf(grant), hash);
        spendDirectlyRefused(
            grant,
            payees[0],
            1,
            abi.encodeWithSelector(ISpendPolicy.NotGranted.selector, hash)
        );
        vm.expectRevert(abi.encodeWithSelector(ISpendPolicy.WrongSigner.selector, payer));
        grants.approveBySignature(grant, signature);
        vm.chainId(chain);
        spendDirectly(grant, payees[0], 1);
    }

    // Contracts (ERC-1271).

    function test_signature_contract() public {
        AgentSpendGrant memory grant = _of(address(_wallets.make(payer, 0)));
        _refused(grant, signedBy(OTHER_KEY, grant));
        _accepted(grant, signedBy(PAYER_KEY, grant));
    }

    /// One key, two wallets: the grant names the account.
    function test_signature_reverts_otherWalletOfTheKey() public {
        AgentSpendGrant memory first = _of(address(_wallets.make(payer, 0)));
        AgentSpendGrant memory second = _of(address(_wallets.make(payer, bytes32(uint256(1)))));
        _accepted(first, signedBy(PAYER_KEY, first));
        _refused(second, signedBy(PAYER_KEY, first));
    }

    /// A key whose address has code that is no delegation does not sign: the code does.
    function test_signature_reverts_keyUnderACode() public {
        vm.etch(payer, address(new Wallet(other)).code);
        _refused(directGrant(), signedBy(PAYER_KEY, directGrant()));
    }

    /// A contract that answers nothing, or can't without changing something.
    function test_signature_reverts_contractWithoutAnswer() public {
        AgentSpendGrant memory grant = _of(address(token));
        _refused(grant, signedBy(PAYER_KEY, grant));
        grant = _of(address(new Changing()));
        _refused(grant, signedBy(PAYER_KEY, grant));
        grant = _of(grants.outsider());
        _refused(grant, signedBy(PAYER_KEY, grant));
    }

    /// This contract speaks for nobody, also where somebody would say yes for it.
    function test_signature_reverts_thisContract() public {
        AgentSpendGrant memory grant = _of(address(grants));
        _refused(grant, signedBy(PAYER_KEY, grant));
    }

    // EOAs that delegate (EIP-7702): the key, or the code.

    function test_signature_delegatingKey() public {
        vm.etch(payer, abi.encodePacked(hex"ef0100", factory.implementation()));
        _refused(directGrant(), signedBy(OTHER_KEY, directGrant()));
        _accepted(directGrant(), signedBy(PAYER_KEY, directGrant()));
    }

    function test_signature_delegatedCode() public {
        vm.etch(payer, abi.encodePacked(hex"ef0100", address(new Wallet(other))));
        _accepted(directGrant(), signedBy(OTHER_KEY, directGrant()));
    }

    // Accounts that are not there yet (ERC-6492).

    function test_signature_deploysFirst() public {
        AgentSpendGrant memory grant = _of(_wallets.addressOf(payer, 0));
        bytes memory data = abi.encodeCall(_wallets.make, (payer, 0));
        bytes memory signature = _wrap(address(_wallets), data, signedBy(PAYER_KEY, grant));
        assertEq(grant.account.code.length, 0);
        _accepted(grant, signature);
        assertTrue(grant.account.code.length != 0, "not deployed");
        // Its money is spent like any other's.
        token.mint(grant.account, 1 ether);
        vm.prank(payer);
        Wallet(grant.account).run(address(token), abi.encodeCall(token.approve, (address(grants), 1 ether)));
        spendDirectly(grant, payees[0], 1 ether);
    }

    /// Whoever deployed it meanwhile, the signature still counts.
    function test_signature_deployedMeanwhile() public {
        AgentSpendGrant memory grant = _of(_wallets.addressOf(payer, 0));
        bytes memory data = abi.encodeCall(_wallets.make, (payer, 0));
        bytes memory signature = _wrap(address(_wallets), data, signedBy(PAYER_KEY, grant));
        _wallets.make(payer, 0);
        _accepted(grant, signature);
    }

    /// Nor is anything else run that the wrapper names.
    function test_signature_runsNothingWhereTheAccountIs() public {
        AgentSpendGrant memory grant = _of(address(_wallets.make(payer, 0)));
        FalseFactory thief = new FalseFactory(IERC20(address(token)), grants, payer);
        bytes memory data = abi.encodeCall(thief.steal, (grant, ""));
        bytes memory signature = _wrap(address(thief), data, signedBy(PAYER_KEY, grant));
        vm.recordLogs();
        _accepted(grant, signature);
        assertEq(vm.getRecordedLogs().length, 1);
    }

    function test_signature_reverts_deploymentOfAnother() public {
        AgentSpendGrant memory grant = _of(_wallets.addressOf(payer, 0));
        bytes memory data = abi.encodeCall(_wallets.make, (other, 0));
        _refused(grant, _wrap(address(_wallets), data, signedBy(PAYER_KEY, grant)));
    }

    function test_signature_reverts_deployedButNotSigned() public {
        AgentSpendGrant memory grant = _of(_wallets.addressOf(payer, 0));
        bytes memory data = abi.encodeCall(_wallets.make, (payer, 0));
        _refused(grant, _wrap(address(_wallets), data, signedBy(OTHER_KEY, grant)));
        // The refusal undid the deployment.
        assertEq(grant.account.code.length, 0);
    }

    /// A wrapper around a key's signature is only a wrapper.
    function test_signature_wrappedKey() public {
        _accepted(directGrant(), _wrap(address(0), "", signedBy(PAYER_KEY, directGrant())));
    }

    function test_signature_reverts_brokenWrapper() public {
        bytes memory signature = bytes.concat(new bytes(32), WRAPPED);
        (bool done, ) = address(grants).call(
            abi.encodeCall(grants.approveBySignature, (directGrant(), signature))
        );
        assertTrue(!done, "accepted");
        (done, ) = address(grants).call(
            abi.encodeCall(grants.approveBySignature, (directGrant(), abi.encode(WRAPPED)))
        );
        assertTrue(!done, "accepted");
    }

    /// The attack that keeps ERC-6492 off contracts with authority: the stranger's wrapper says who is called, and with what.
    function test_signature_wrapperCallsNobodyInThisContractsName() public {
        AgentSpendGrant memory grant = _of(address(uint160(uint256(keccak256("nobody")))));
        // The token's own transferFrom, against a payer's allowance to this contract.
        bytes memory data = abi.encodeCall(token.transferFrom, (payer, agent, 5 ether));
        _refused(grant, _wrap(address(token), data, signedBy(OTHER_KEY, grant)));
        data = abi.encodeCall(token.approve, (agent, 5 ether));
        _refused(grant, _wrap(address(token), data, signedBy(OTHER_KEY, grant)));
        // This contract's own functions.
        approve(directGrant());
        data = abi.encodeCall(
            grants.spendDirectly,
            (directGrant(), payees[0], 1, Source.Token, 1, bytes32(0))
        );
        _refused(grant, _wrap(address(grants), data, signedBy(OTHER_KEY, grant)));
        assertEq(token.balanceOf(payer), 1_000_000 ether);
        assertEq(token.allowance(payer, address(grants)), 1_000_000 ether);
        assertEq(token.allowance(address(grants), agent), 0);
    }

    /// Also where all the rest of the signature is good: whom the wrapper names is called by the outsider.
    function test_signature_wrapperMeetsAClosedDoor() public {
        FalseFactory thief = new FalseFactory(IERC20(address(token)), grants, payer);
        AgentSpendGrant memory grant = _of(other);
        AgentSpendGrant memory second = directGrant();
        bytes memory data = abi.encodeCall(thief.steal, (second, signedBy(PAYER_KEY, second)));
        bytes memory signature = _wrap(address(thief), data, signedBy(OTHER_KEY, grant));
        vm.expectEmit(address(thief));
        emit FalseFactory.Called(grants.outsider());
        _accepted(grant, signature);
        assertStatus(second, Status.Unknown);
        assertEq(token.balanceOf(payer), 1_000_000 ether);
    }

    /// The outsider is anybody's to use, and worth nothing.
    function test_signature_outsiderIsPowerless(address caller) public {
        vm.assume(caller != address(vm));
        address outsider = grants.outsider();
        assertEq(token.balanceOf(outsider), 0);
        bytes memory data = abi.encodeCall(token.transferFrom, (payer, caller, 1));
        vm.prank(caller);
        (bool sent, bytes memory answer) = outsider.call(
            abi.encodeWithSignature("run(address,bytes)", address(token), data)
        );
        assertTrue(sent && !abi.decode(answer, (bool)), "pulled");
    }
}
