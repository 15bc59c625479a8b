import type { LinkRequests, LinkStore } from "../../core/linkStore.ts";
import { RelayUnreachableError } from "../../delegation/errors.ts";
import { openWalletLink } from "../../delegation/openWalletLink.ts";
import type { CompiledPolicy } from "../../policy/compile.ts";
import { now } from "../clock.ts";
import type { Config } from "../config.ts";
import { paysForOthers } from "../payer.ts";
import { bad, good, type Check } from "./check.ts";

/** How long a relay may take to let us in, in milliseconds. */
const patienceMs = 15_000;

/** Goes to the relay as somebody that nobody knows and nobody will meet again: the link's own keys are not touched. */
export async function checkRelay({
  description,
  name,
  projectId,
  relay,
  url,
}: NonNullable<Config["wallets"]>): Promise<Check> {
  const link = await openWalletLink({
    relayUrl: relay,
    ...(projectId === undefined ? {} : { projectId }),
    metadata: { name, description, url, icons: [] },
    store: forgetful(),
    requests: none,
    now,
    publishMs: patienceMs,
  });
  const { host } = new URL(relay);
  const refused = new Promise<string>((resolve) => {
    link.watch((event) => {
      if (event.kind === "relay" && event.state === "refused") resolve(event.why);
    });
  });
  try {
    // A proposal that nobody is shown: when the relay has it, it has let us in.
    const proposed = link.connect({ chains: [1], methods: ["personal_sign"] }).then(({ cancel }) => cancel());
    const why = await Promise.race([proposed, refused]);
    return why === undefined
      ? good("wallets", `The relay ${host} lets us in.`)
      : bad("wallets", `The relay ${host} does not let us in: ${why}.`, "Correct `wallets.projectId`.");
  } catch (error) {
    if (!(error instanceof RelayUnreachableError)) throw error;
    return bad(
      "wallets",
      `The relay ${host} does not answer.`,
      "Check `wallets.relay`, and the network. Agents pay without it; but nobody can be asked, and nobody can delegate.",
    );
  } finally {
    await link.close();
  }
}

/** What is wrong where the policy is for people who delegate, and no way to their wallets is configured; undefined where it is not. */
export const checkNoRelay = ({ limits }: CompiledPolicy): Check | undefined =>
  limits.some(paysForOthers)
    ? bad(
        "wallets",
        "The policy pays out of accounts of people who delegate, and the configuration names no relay to their wallets: nobody can delegate, and whoever disconnects is not heard.",
        'Add "wallets": { "relay": "wss://…", "projectId": "…" }.',
      )
    : undefined;

function forgetful(): LinkStore {
  const values = new Map<string, string>();
  return {
    get: (key) => Promise.resolve(values.get(key)),
    set: (key, value) => Promise.resolve(void values.set(key, value)),
    delete: (key) => Promise.resolve(void values.delete(key)),
    keys: () => Promise.resolve([...values.keys()]),
    entries: () => Promise.resolve([...values.entries()]),
  };
}

/** It asks no wallet anything. */
const none: LinkRequests = {
  begin: () => Promise.resolve(false),
  published: () => Promise.resolve(),
  settle: () => Promise.resolve(false),
  all: () => Promise.resolve([]),
  forget: () => Promise.resolve(),
};
