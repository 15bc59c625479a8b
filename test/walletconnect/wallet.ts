// A wallet that nobody here wrote, in a process of its own: `@reown/walletkit` 1.2.10. It does what it is told over IPC, and is killed
// by its process id. Its telemetry goes nowhere: `fetch` is taken out.
import { Core } from "@walletconnect/core";
import { WalletKit } from "@reown/walletkit";
import { buildApprovedNamespaces, getSdkError } from "@walletconnect/utils";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";
import {
  createWalletClient,
  defineChain,
  encodeFunctionData,
  http,
  parseAbi,
  serializeErc6492Signature,
  type Hex,
  type TypedDataDefinition,
} from "viem";

import { permit, type PermissionParams } from "./permissionWallet.ts";
import type { AnswerMode, ProposalMode, WalletCommand, WalletOptions, WalletWord } from "./walletMessages.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as WalletOptions;
const say = (word: WalletWord): void => void process.send?.(word, undefined, undefined, () => {});
process.on("disconnect", () => process.exit(0));
const realFetch = globalThis.fetch;
globalThis.fetch = (input) => {
  say({ word: "fetch", url: String(input instanceof Request ? input.url : input).slice(0, 100) });
  return Promise.resolve(new Response("{}"));
};
// A relay that closes with 3000 is thrown past its SDK. It lives on, so that what it has been brought gets stored, and hears no more.
for (const thrown of ["unhandledRejection", "uncaughtException"] as const)
  process.on(thrown, (error: unknown) =>
    say({ word: "unhandled", why: String((error as Error)?.message ?? error) }),
  );

let account: PrivateKeyAccount = privateKeyToAccount(options.key);
const stranger = privateKeyToAccount(`0x${"99".repeat(32)}`);
const methods = [
  "personal_sign",
  "eth_signTypedData_v4",
  "eth_sendTransaction",
  "wallet_getCapabilities",
  ...(options.permissions === undefined ? [] : [options.permissions]),
];
let onProposal: ProposalMode = "accept";
let onRequest: AnswerMode = "right";
const held: Request[] = [];

const core = new Core({
  projectId: "0".repeat(32),
  relayUrl: options.relayUrl,
  logger: "silent",
  telemetryEnabled: false,
  ...(options.database === undefined ? {} : { storageOptions: { database: options.database } }),
});
const kit = await WalletKit.init({
  core: core as never,
  metadata: { name: "test wallet", description: "a wallet", url: "https://wallet.example", icons: [] },
});
type Proposal = Parameters<Parameters<typeof kit.on<"session_proposal">>[1]>[0];
type Request = Parameters<Parameters<typeof kit.on<"session_request">>[1]>[0];

if (options.spoilt) {
  type Settling = { sessionSettleRequest: object };
  const engine = kit.engine.signClient.engine as unknown as {
    sendApproveSession(settling: Settling): Promise<void>;
  };
  const send = engine.sendApproveSession.bind(engine);
  engine.sendApproveSession = (settling) =>
    send({ ...settling, sessionSettleRequest: { ...settling.sessionSettleRequest, ...options.spoilt } });
}
const chains = options.chains.map((id) => `eip155:${id}`);
const { contractAccount } = options;
const accountsOf = (one: PrivateKeyAccount) =>
  chains.map((chain) => `${chain}:${contractAccount?.address ?? one.address}`);

async function accept({ id, params }: Proposal): Promise<void> {
  const supported = {
    chains,
    methods,
    events: ["accountsChanged", "chainChanged"],
    accounts: accountsOf(account),
  };
  const namespaces = options.stubborn
    ? { eip155: supported }
    : buildApprovedNamespaces({ proposal: params, supportedNamespaces: { eip155: supported } });
  const { topic } = await kit.approveSession({
    id,
    namespaces,
    sessionProperties: { atomic: "unsupported" },
  });
  say({ word: "approved", topic });
}

async function resultOf(method: string, params: readonly unknown[]): Promise<unknown> {
  if (onRequest === "wrongType") return { signature: "0x1234" };
  if (onRequest === "notHex") return "please trust me";
  if (onRequest === "tooLong") return `0x${"ab".repeat(150_000)}`;
  const signer = onRequest === "wrongSigner" ? stranger : account;
  switch (method) {
    case "personal_sign":
      return written(await signer.signMessage({ message: { raw: params[0] as Hex } }));
    case "eth_signTypedData_v4":
      return written(await signer.signTypedData(JSON.parse(params[1] as string) as TypedDataDefinition));
    case "eth_sendTransaction":
      return options.rpc === undefined
        ? `0x${"ab".repeat(32)}`
        : sendTransaction(options.rpc, params[0] as Sent);
    case "wallet_requestExecutionPermissions":
    case "wallet_grantPermissions":
      return permit(signer, stranger, params[0] as PermissionParams, onRequest);
    default:
      return { "0x7a69": { atomic: { status: "unsupported" } } };
  }
}

/** Of secp256k1. */
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** As this wallet writes a signature. */
function written(signature: Hex): Hex {
  // As hardware writes it.
  if (onRequest === "lowV") return `0x${signature.slice(2, -2)}${signature.endsWith("1b") ? "00" : "01"}`;
  // The other signature of the same, which whoever saw the first can make.
  if (onRequest === "highS") {
    const s = order - BigInt(`0x${signature.slice(66, 130)}`);
    return `0x${signature.slice(2, 66)}${s.toString(16).padStart(64, "0")}${signature.endsWith("1b") ? "1c" : "1b"}`;
  }
  const by = contractAccount?.deployedBy;
  return by === undefined
    ? signature
    : serializeErc6492Signature({ address: by.factory, data: by.data, signature });
}

type Sent = { readonly to: Hex; readonly data?: Hex; readonly value?: Hex };

/** The wallet's own RPC, which needs the real `fetch`. */
async function sendTransaction(rpc: string, { data, to, value = "0x0" }: Sent) {
  const chain = defineChain({
    id: options.chains[0]!,
    name: "local",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpc] } },
  });
  const client = createWalletClient({ account, chain, transport: http(rpc, { fetchFn: realFetch }) });
  return client.sendTransaction(
    contractAccount === undefined
      ? { to, data: data ?? "0x", value: BigInt(value) }
      : {
          to: contractAccount.address,
          data: encodeFunctionData({
            abi: parseAbi(["function run(address target, bytes data)"]),
            args: [to, data ?? "0x"],
          }),
        },
  );
}

async function answer({ id, params, topic }: Request): Promise<void> {
  const { method, params: given } = params.request;
  const response =
    onRequest === "reject"
      ? { id, jsonrpc: "2.0", error: getSdkError("USER_REJECTED") }
      : onRequest === "wildRefusal"
        ? { id, jsonrpc: "2.0", error: { code: 1e300, message: "no" } }
        : onRequest === "halfRefusal"
          ? { id, jsonrpc: "2.0", error: { code: 4001, message: `${"a".repeat(399)}\u{1f600}` } }
          : { id, jsonrpc: "2.0", result: await resultOf(method, given as readonly unknown[]) };
  await kit.respondSessionRequest({ topic, response });
  say({ word: "answered", id });
}

const told = (work: Promise<unknown>): void =>
  void work.catch((error: unknown) =>
    say({ word: "failed", why: String((error as Error)?.message ?? JSON.stringify(error)) }),
  );

kit.on("session_proposal", (proposal) => {
  const { id, params } = proposal;
  say({ word: "proposal", id, url: params.proposer.metadata.url });
  if (onProposal === "accept") told(accept(proposal));
  if (onProposal === "reject") told(kit.rejectSession({ id, reason: getSdkError("USER_REJECTED") }));
});
kit.on("session_request", (request) => {
  const { method, params } = request.params.request;
  say({
    word: "request",
    id: request.id,
    method,
    params: params as readonly unknown[],
    chainId: request.params.chainId,
  });
  if (onRequest === "hold") held.push(request);
  else told(answer(request));
});
kit.on("session_delete", ({ topic }) => say({ word: "ended", topic }));

async function obey(command: WalletCommand): Promise<unknown> {
  switch (command.do) {
    case "pair":
      await kit.pair({ uri: command.uri });
      return;
    case "mode":
      onProposal = command.onProposal ?? onProposal;
      onRequest = command.onRequest ?? onRequest;
      return;
    case "release":
      onRequest = command.as;
      for (const request of [...held.splice(0), ...kit.getPendingSessionRequests()].filter(
        (one, index, all) => all.findIndex(({ id }) => id === one.id) === index,
      ))
        await answer(request);
      return;
    case "switchAccount": {
      account = privateKeyToAccount(command.key);
      for (const { namespaces, topic } of Object.values(kit.getActiveSessions())) {
        const eip155 = { ...namespaces["eip155"]!, accounts: accountsOf(account) };
        await (await kit.updateSession({ topic, namespaces: { eip155 } })).acknowledged();
      }
      return;
    }
    case "announce": {
      const [topic] = Object.keys(kit.getActiveSessions());
      const data = accountsOf(account);
      return kit.emitSessionEvent({
        topic: topic!,
        chainId: chains[0]!,
        event: { name: "accountsChanged", data },
      });
    }
    case "disconnect":
      for (const topic of Object.keys(kit.getActiveSessions()))
        await kit.disconnectSession({ topic, reason: getSdkError("USER_DISCONNECTED") });
      return;
    case "sessions":
      return Object.values(kit.getActiveSessions()).map(({ expiry, topic }) => ({ topic, expiry }));
  }
}
process.on("message", ({ call, command }: { call: number; command: WalletCommand }) => {
  obey(command).then(
    (value) => say({ word: "done", call, value: value ?? null }),
    (error: unknown) =>
      say({ word: "undone", call, why: String((error as Error)?.message ?? JSON.stringify(error)) }),
  );
});
say({ word: "ready" });
