// The commands of an operator whose agent is permitted by a wallet of its own permissions: delegate, list, give up; and when he is cut off.
import path from "node:path";

import { getAddress } from "viem";
import { expect, test } from "vitest";

import { delegationsIn } from "../../src/journal/delegations.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { relayOf } from "./delegateScene.ts";
import { command, delegate, putFiles } from "./operator.ts";
import { permissionScene } from "./permissionScene.ts";

async function permissionDesk(name: string) {
  const here = await permissionScene(name);
  const managers = [here.permissions.manager];
  return putFiles(here, { ...relayOf(), permissions: { managers } });
}
type Here = Awaited<ReturnType<typeof permissionDesk>>;

const listed = async (here: Here) =>
  (
    JSON.parse((await command(here, "delegations", "--json")).output) as {
      readonly delegations: readonly object[];
    }
  ).delegations;

test("a permission is taken, listed with what its period leaves, and given up by the agent's key", async () => {
  const here = await permissionDesk("permissioncommand");
  const { events, status } = await delegate(here);
  expect([status, events.at(-1)]).toMatchObject([
    0,
    {
      delegation: { rung: "erc7715" },
      stops: [
        { words: "End this permission" },
        { words: expect.stringContaining("later permissions too") as string },
      ],
    },
  ]);
  const { id } = (events.at(-1) as unknown as { readonly delegation: { readonly id: string } }).delegation;
  expect(await listed(here)).toMatchObject([
    { id, standing: "in force", budget: { available: "60000000", revoked: false } },
  ]);
  expect((await command(here, "delegations")).output).toMatch(
    /left 60\.00 USDC in this period, .* in force \(erc7715\)/,
  );
  // The payer's own call, for any wallet.
  const calldata = await command(here, "delegations", "revoke", id.slice(0, 12), "--calldata");
  expect(JSON.parse(calldata.output)).toMatchObject([
    { to: here.permissions.deployment.address.toLowerCase(), value: "0" },
  ]);
  // The agent's key holds no coin: the purse gives it what the call costs.
  const revoked = await command(here, "delegations", "revoke", id.slice(0, 12), "--yes", "--json");
  expect(JSON.parse(revoked.output)).toMatchObject({ delegation: id, revoked: true });
  expect(await listed(here)).toMatchObject([{ id, standing: "revoked on the chain" }]);
  const again = await command(here, "delegations", "revoke", id.slice(0, 12), "--yes");
  expect(again.output).toMatch(/It is over on the chain already/);
});

test.each([
  ["asked", "permission"],
  ["sent", "spender"],
] as const)(
  "killed at %s %s, it is run again, and uses nothing that the wallet permitted meanwhile",
  async (kind, what) => {
    const here = await permissionDesk(`permissionkilled-${kind}`);
    const killed = await delegate(here, { killAt: (event) => event.kind === kind && event.what === what });
    expect(killed.status).toBe(null);
    const again = await delegate(here);
    expect([again.status, again.errors]).toEqual([0, expect.any(String)]);
    const journal = openJournal(path.join(here.state, "journal.db"));
    expect(delegationsIn(journal).map(({ state }) => state)).toEqual(["inForce"]);
    journal.close();
  },
);

test("a policy that names another contract than the agent's own is told which", async () => {
  const here = await permissionDesk("permissionelsewhere");
  const other = getAddress("0x00000000000000000000000000000000000de1e6");
  await putFiles(here, { ...relayOf(), permissions: { managers: [other] } });
  const { events, status } = await delegate(here);
  expect(status).toBe(1);
  expect(JSON.stringify(events)).toContain("not the contract of this account, this key and a manager");
  expect(JSON.stringify(events)).toContain(`(for the manager ${other})`);
});
