// The payer's wallet: Reown's WalletKit, which nobody here wrote, in a process of its own. It says yes to whatever it is shown; a person
// would read first. It sends nothing home: `fetch` only reaches the local chain.
import { WalletKit } from "@reown/walletkit";
import { Core } from "@walletconnect/core";
import { buildApprovedNamespaces } from "@walletconnect/utils";
import { createWalletClient, defineChain, http, type Hex, type TypedDataDefinition } from "viem";
import { privateKeyToAccount } from "viem/accounts";

/** What the demo tells the wallet at its start, and what the wallet tells the demo. */
export type WalletStart = {
  readonly relay: string;
  readonly rpc: string;
  readonly key: Hex;
  readonly chainId: number;
};
export type WalletWord =
  { readonly word: "ready" } | { readonly word: "shown"; readonly method: string; readonly what: string };

const start = JSON.parse(process.argv[2] ?? "{}") as WalletStart;
const account = privateKeyToAccount(start.key);
const say = (word: WalletWord): void => void process.send?.(word);
process.on("disconnect", () => process.exit(0));

const realFetch = globalThis.fetch;
globalThis.fetch = () => Promise.resolve(new Response("{}"));
const chain = defineChain({
  id: start.chainId,
  name: "local",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [start.rpc] } },
});
const client = createWalletClient({
  account,
  chain,
  transport: http(start.rpc, { fetchFn: realFetch }),
});

const core = new Core({
  projectId: "0".repeat(32),
  relayUrl: start.relay,
  logger: "silent",
  telemetryEnabled: false,
});
const kit = await WalletKit.init({
  core: core as never,
  metadata: { name: "Demo Wallet", description: "a wallet", url: "https://wallet.example", icons: [] },
});
const caip = `eip155:${start.chainId}`;

kit.on("session_proposal", ({ id, params }) => {
  const supportedNamespaces = {
    eip155: {
      chains: [caip],
      methods: ["personal_sign", "eth_signTypedData_v4", "eth_sendTransaction"],
      events: ["accountsChanged", "chainChanged"],
      accounts: [`${caip}:${account.address}`],
    },
  };
  void kit.approveSession({
    id,
    namespaces: buildApprovedNamespaces({ proposal: params, supportedNamespaces }),
  });
});

kit.on("session_request", ({ id, params, topic }) => {
  const { request } = params as { readonly request: { readonly method: string; readonly params: unknown } };
  void answer(request.method, request.params as readonly unknown[]).then((result) =>
    kit.respondSessionRequest({ topic, response: { id, jsonrpc: "2.0", result } }),
  );
});

async function answer(method: string, given: readonly unknown[]): Promise<Hex> {
  if (method === "personal_sign") {
    say({ word: "shown", method, what: "a sign-in" });
    return account.signMessage({ message: { raw: given[0] as Hex } });
  }
  if (method === "eth_signTypedData_v4") {
    const data = JSON.parse(given[1] as string) as TypedDataDefinition;
    say({ word: "shown", method, what: String(data.primaryType) });
    return account.signTypedData(data);
  }
  const { data, to, value } = given[0] as { readonly to: Hex; readonly data?: Hex; readonly value?: Hex };
  say({ word: "shown", method, what: `a transaction to ${to}` });
  return client.sendTransaction({ to, data: data ?? "0x", value: BigInt(value ?? 0) });
}

process.on("message", ({ uri }: { readonly uri: string }) => void kit.pair({ uri }));
say({ word: "ready" });
