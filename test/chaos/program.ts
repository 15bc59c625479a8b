// One runtime of the chaos run: decides what is in its inbox until it is killed. Started with one JSON argument.
import { appendFileSync, writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";

import { bundlerLadder } from "../../src/chain/bundler/bundlerLadder.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { decideAll, openHouse } from "../integration/house.ts";
import { loggingEngine } from "../integration/loggingEngine.ts";
import { findWorld } from "../integration/world.ts";
import { policyText } from "./bills.ts";
import { chanceFrom } from "./chance.ts";
import { faultyBundler } from "./faultyBundler.ts";

export type ChaosOrder = {
  readonly rpc: string;
  readonly world: string;
  readonly state: string;
  readonly seed: number;
  readonly finalityDepth: number;
  /** The passage at which it kills itself, e.g. `sign committed`. */
  readonly dieAt?: string;
};

flushCompileCache();
const order = JSON.parse(process.argv[2]!) as ChaosOrder;
// Not through a stream: a killed process must have said what it said.
const say = (line: string) => writeSync(1, `${line}\n`);

const world = await findWorld(order.rpc, order.world, policyText(order.world), order.finalityDepth);
const own = ownBundler(world.chain, { executor: world.purse });
const faulty = (name: string, seed: number) =>
  faultyBundler(name, own, chanceFrom(seed), ({ nonce }) =>
    appendFileSync(join(order.state, "sends"), `${name} ${nonce}\n`),
  );
const house = openHouse(world, {
  state: order.state,
  engine: loggingEngine(order.state),
  // Two that fail each in its own way, over one that works.
  bundler: bundlerLadder([faulty("first", order.seed), faulty("second", order.seed + 1)]),
  journal: openJournal(join(order.state, "journal.db")),
});
say("ready");
try {
  await decideAll(house, order.state, {
    onPassage({ at, decision, step }) {
      say(`${step} ${at} ${decision}`);
      if (order.dieAt === `${step} ${at}`) process.kill(process.pid, "SIGKILL");
    },
  });
  say("finished");
} catch (error) {
  // A step whose retries are used up: the next start takes it up.
  say(`failed ${(error as Error).name}`);
  process.exitCode = 3;
} finally {
  house.journal.close();
}
