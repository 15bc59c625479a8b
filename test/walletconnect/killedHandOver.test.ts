// `bursar delegate` itself is killed (-9) at each of its steps, and run again: nothing is in force that it does not know of, nothing is twice.
import path from "node:path";

import { expect, test } from "vitest";

import { delegationsIn } from "../../src/journal/delegations.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { spendGrantAbi } from "../../src/chain/abi/spendGrant.ts";
import { contract } from "./delegateScene.ts";
import { delegate, desk, type Event } from "./operator.ts";

const at = (kind: string, what: string) => (event: Event) => event.kind === kind && event.what === what;

test.each([
  ["asked", "sign-in", []],
  ["asked", "grant", ["ended"]],
  ["asked", "allowance", ["ended"]],
  ["sent", "grant", ["paused"]],
] as const)("killed at %s %s", async (kind, what, left) => {
  const here = await desk(`killed-${kind}-${what}`);
  const killed = await delegate(here, { killAt: at(kind, what) });
  expect(killed.status).toBe(null);
  const again = await delegate(here);
  expect([again.status, again.errors]).toEqual([0, expect.any(String)]);
  expect(again.events.at(-1)).toMatchObject({ delegation: { rung: "spendGrant" } });
  const journal = openJournal(path.join(here.state, "journal.db"));
  const rows = delegationsIn(journal);
  journal.close();
  expect(rows.map(({ state }) => state)).toEqual([...left, "inForce"]);
  // What the journal calls over is nothing that the chain knows, and the other way round.
  const statuses = await Promise.all(
    rows.map(({ delegation: { account, id } }) =>
      here.world.chain.client.readContract({
        address: contract,
        abi: spendGrantAbi,
        functionName: "statusOf",
        args: [account, id],
      }),
    ),
  );
  expect(statuses).toEqual(rows.map(({ state }) => (state === "ended" ? 0 : 1)));
  // Each grant was shown once.
  const shown = here.wallet
    .heard("request")
    .filter(({ method }) => method === "eth_signTypedData_v4")
    .map(({ params }) => params[1]);
  expect(new Set(shown).size).toBe(shown.length);
});
