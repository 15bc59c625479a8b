// Clients that nobody here wrote, on the relay: `@walletconnect/universal-provider` asks, `@walletconnect/sign-client` answers.
import { SignClient } from "@walletconnect/sign-client";
import { UniversalProvider } from "@walletconnect/universal-provider";
import { hexToString, verifyMessage, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { startRelay, type LocalRelay } from "../../src/testing/index.ts";
import { until } from "./until.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const metadata = { name: "test", description: "test", url: "http://localhost", icons: [] };
const chain = "eip155:31337";
const namespace = { methods: ["personal_sign"], chains: [chain], events: ["accountsChanged"] };
type Wallet = Awaited<ReturnType<typeof SignClient.init>>;
type Provider = Awaited<ReturnType<typeof UniversalProvider.init>>;

let relay: LocalRelay;
let wallet: Wallet;
let provider: Provider;
beforeAll(async () => {
  process.env["DISABLE_GLOBAL_CORE"] = "true";
  relay = await startRelay();
  const common = { projectId: "0".repeat(32), relayUrl: relay.url, logger: "silent", metadata };
  wallet = await SignClient.init({ ...common, telemetryEnabled: false });
  provider = await UniversalProvider.init({ ...common, telemetryEnabled: false });
});
afterAll(async () => {
  for (const { core } of [wallet, provider.client]) {
    await core.relayer.transportClose();
    core.heartbeat.stop();
  }
  await relay.close();
});

test("two independent clients pair, sign and part", async () => {
  wallet.on("session_proposal", ({ id }) => {
    const namespaces = { eip155: { ...namespace, accounts: [`${chain}:${account.address}`] } };
    void wallet.approve({ id, namespaces });
  });
  wallet.on("session_request", ({ id, params, topic }) => {
    const [message] = params.request.params as [Hex];
    void account
      .signMessage({ message: hexToString(message) })
      .then((result) => wallet.respond({ topic, response: { id, jsonrpc: "2.0", result } }));
  });
  provider.on("display_uri", (uri: string) => void wallet.pair({ uri }));
  const session = await provider.connect({ optionalNamespaces: { eip155: namespace } });
  expect(session?.namespaces["eip155"]?.accounts).toEqual([`${chain}:${account.address}`]);

  const signature = await provider.request<Hex>(
    { method: "personal_sign", params: ["0x6869", account.address] },
    chain,
  );
  expect(await verifyMessage({ address: account.address, message: "hi", signature })).toBe(true);

  // What was under way when the relay went away comes after it is back.
  await relay.restart(100);
  await provider.request({ method: "personal_sign", params: ["0x6869", account.address] }, chain);

  await provider.disconnect();
  await until(() => wallet.session.length === 0, "the wallet hears that it is over");
  const methods = relay.calls.map(({ method }) => method);
  expect(methods).toEqual(expect.arrayContaining(["wc_proposeSession", "wc_approveSession", "irn_publish"]));
});
