// Kills runtimes until there is nothing left to believe, and counts on the chain what came of it:
//
//   npm run chaos -- --kills 200 --json
//
// The chain is a process of its own with a real EntryPoint and is reorganised all the time; each runtime decides real mails with random
// inferences behind two bundlers that drop, duplicate, delay, reorder and lie, at a gas price that jumps, and is killed at random instants and at every step.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { connectChain } from "../../src/chain/connectChain.ts";
import { localChainId } from "../../src/testing/localChain.ts";
import { startChainProcess } from "../../src/testing/chainProcess.ts";
import { code } from "../integration/smallContracts.ts";
import { silentToken } from "./bills.ts";
import { chanceFrom } from "./chance.ts";
import { countAll, holds, type Chaos } from "./count.ts";
import { life, type Life } from "./life.ts";

const help = `Kills runtimes at random instants and at every named step, and counts on the chain.

  --kills N   how many (50)
  --agents N  runtimes side by side, each with an account and a journal of its own (2)
  --seed N    of the faults and instants (random)
  --json      the counts as JSON
`;

/** A block is final under so many others; a reorganisation takes back fewer. */
const finalityDepth = 3;
/** How often a block comes without a transaction, in milliseconds; each is a second of the chain's own time. */
const blockMs = 120;

/** Now and then a block costs so much, for so many blocks: what was signed before is not worth including, and is bumped. */
const dearFee = "0x165a0bc00";
const dearFor = 50;
let dearBlocks = 0;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "50" },
    agents: { type: "string", default: "2" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const [kills, agents, seed] = [values.kills, values.agents, values.seed].map(Number) as [
  number,
  number,
  number,
];
if (
  values.help ||
  ![kills, agents].every((count) => Number.isSafeInteger(count) && count > 0) ||
  !(seed >= 0)
) {
  (values.help ? process.stdout : process.stderr).write(help);
  process.exit(values.help ? 0 : 2);
}

const folder = mkdtempSync(join(tmpdir(), "bursar-chaos-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort());

const chance = chanceFrom(seed);
const chainProcess = await startChainProcess();
const { client } = await connectChain({
  rpc: chainProcess.url,
  chainId: localChainId,
  finality: { depth: 0 },
});
const rpc = (method: string, ...params: readonly unknown[]): Promise<unknown> =>
  client.request({ method, params } as never);
await rpc("hardhat_setCode", silentToken, code.silentToken);

let reorgs = 0;
const budget = { kills: 0, wanted: kills };
const say = (words: string): void => void process.stderr.write(`${words}\n`);
try {
  const lives: Life[] = [];
  for (let index = 0; index < agents; index++)
    lives.push(
      await life({
        rpc: chainProcess.url,
        name: `chaos${index}`,
        state: join(folder, String(index)),
        chance: chanceFrom(seed + 1 + index),
        finalityDepth,
        budget,
        signal: stopping.signal,
      }),
    );
  // Only now: setting up believes what it is told.
  const miner = setInterval(() => {
    if (dearBlocks-- > 0) void rpc("hardhat_setNextBlockBaseFeePerGas", dearFee).catch(() => undefined);
    void rpc("evm_mine").catch(() => undefined);
  }, blockMs);
  const market = setInterval(() => {
    if (chance() < 0.35) dearBlocks = dearFor;
  }, 6_000);
  const reorganiser = setInterval(() => {
    if (chance() > 0.5) return;
    void rpc("bursar_reorganise", 1 + Math.floor(chance() * (finalityDepth - 1)))
      .then((begun) => (reorgs += begun ? 1 : 0))
      .catch(() => undefined);
  }, 700);
  const teller = setInterval(
    () => say(`${budget.kills} of ${kills} kills, ${reorgs} reorganisations`),
    10_000,
  );
  await Promise.all(lives.map((one) => one.run()));
  clearInterval(teller);
  clearInterval(reorganiser);
  clearInterval(market);
  // What is under way is taken back, then everything becomes final.
  for (let block = 0; block < 2 * finalityDepth; block++) await rpc("evm_mine");
  clearInterval(miner);
  const counted: Chaos = { kills: budget.kills, ...(await countAll(lives)), reorgs };
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ ...counted, seed })}\n`
      : `${Object.entries({ ...counted, seed })
          .map(
            ([name, value]) =>
              `${name.padEnd(14)} ${typeof value === "object" ? JSON.stringify(value) : value}`,
          )
          .join("\n")}\n`,
  );
  if (stopping.signal.aborted) process.exitCode = 130;
  else if (!holds(counted, kills)) process.exitCode = 1;
} finally {
  await chainProcess.close();
  // Timers of a run that failed would keep the program alive.
  setImmediate(() => process.exit());
}
