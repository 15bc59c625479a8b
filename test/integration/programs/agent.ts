// A runtime that kills itself. Started by the crash tests with one JSON argument; says on stdout what it passed.
import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";

import { ownBundler } from "../../../src/chain/bundler/ownBundler.ts";
import { openJournal, type JournalDatabase } from "../../../src/journal/openJournal.ts";
import { decideAll, openHouse } from "../house.ts";
import { loggingEngine } from "../loggingEngine.ts";
import { findWorld } from "../world.ts";

export type AgentOrder = {
  readonly rpc: string;
  readonly world: string;
  readonly state: string;
  /** Where it dies by SIGKILL; never, when not given. */
  readonly dieAt?: { readonly passage: string } | { readonly write: number } | { readonly accepted: true };
  readonly backOffMs?: readonly number[];
};

// Kept at exit otherwise, and most of these processes have none.
flushCompileCache();
const order = JSON.parse(process.argv[2]!) as AgentOrder;
const die = () => process.kill(process.pid, "SIGKILL");
// Not through a stream: a killed process must have said what it said.
const say = (line: string) => writeSync(1, `${line}\n`);

const world = await findWorld(order.rpc, order.world);
const { dieAt } = order;
const own = ownBundler(world.chain, { executor: world.purse });
const house = openHouse(world, {
  state: order.state,
  engine: loggingEngine(order.state),
  bundler: {
    ...own,
    async send(userOp) {
      const hash = await own.send(userOp);
      if (dieAt && "accepted" in dieAt) die();
      return hash;
    },
  },
  journal: dyingAfter(
    openJournal(join(order.state, "journal.db")),
    dieAt && "write" in dieAt ? dieAt.write : undefined,
  ),
});
try {
  say("ready");
  await decideAll(house, order.state, {
    ...(order.backOffMs ? { backOffMs: order.backOffMs } : {}),
    onPassage({ decision, step, at }) {
      const passage = `${step} ${at}`;
      say(`${passage} ${decision}`);
      if (dieAt && "passage" in dieAt && dieAt.passage === passage) die();
    },
  });
  say("finished");
} catch (error) {
  say(`failed ${(error as Error).name}`);
  process.exitCode = 3;
} finally {
  house.journal.close();
}

/** Dies right before its nth row is written: in the middle of a transaction. */
function dyingAfter(journal: JournalDatabase, writes: number | undefined): JournalDatabase {
  let left = writes ?? Infinity;
  return {
    ...journal,
    run(statement, ...values) {
      if (--left <= 0) die();
      journal.run(statement, ...values);
    },
  };
}
