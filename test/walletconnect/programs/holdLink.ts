// Opens a link to the relay at argv[2] and says the process id of it. With "close" it closes it again and ends by itself.
import { openWalletLink } from "../../../src/delegation/openWalletLink.ts";
import { memoryLinkStore } from "../../doubles/memoryLinkStore.ts";

const [, , relayUrl = "", then = ""] = process.argv;
const link = await openWalletLink({
  relayUrl,
  metadata: { name: "held", description: "", url: "http://localhost", icons: [] },
  ...memoryLinkStore(),
  now: () => Date.now(),
});
const proposal = await link.connect({ chains: [1], methods: ["personal_sign"] });
process.stdout.write(`${JSON.stringify({ pid: link.pid })}\n`);
if (then === "close") {
  await link.close();
  process.stdout.write(`${JSON.stringify(await proposal.settled)}\n`);
}
