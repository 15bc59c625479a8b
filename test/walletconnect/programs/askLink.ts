// An agent's process, as far as the link goes: connects once, asks for one signature, and says what it hears. It is killed and started
// again by the test, on the same folder.
import path from "node:path";

import { openWalletLink } from "../../../src/delegation/openWalletLink.ts";
import { openLinkStore } from "../../../src/journal/linkStore.ts";
import { openJournal } from "../../../src/journal/openJournal.ts";
import { now, randomSecret } from "../../../src/runtime/clock.ts";

import { grant } from "../documents.ts";

const [, , relayUrl = "", folder = ""] = process.argv;
const say = (word: object): void => void process.stdout.write(`${JSON.stringify(word)}\n`);
const journal = openJournal(path.join(folder, "agent.db"));
const link = await openWalletLink({
  relayUrl,
  metadata: { name: "agent", description: "", url: "http://localhost", icons: [] },
  ...openLinkStore(journal, path.join(folder, "agent.key"), randomSecret),
  now,
});
say({ pid: link.pid });
let { sessions } = await link.resume();
if (sessions.length === 0) {
  const { settled, uri } = await link.connect({ chains: [31337], methods: ["eth_signTypedData_v4"] });
  say({ uri });
  const result = await settled;
  if (result.outcome !== "approved") throw new Error(result.outcome);
  sessions = [result.session];
}
const [session] = sessions;
say({ asking: true });
say(
  await link.requestTypedData(session!.topic, session!.accounts[0]!.address, grant("7"), {
    id: "grant:7",
    deadlineMs: 60_000,
  }),
);
await link.close();
journal.close();
