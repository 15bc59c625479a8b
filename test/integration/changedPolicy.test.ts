import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { cancelDecision } from "../../src/journal/cancels.ts";
import { compilePolicy } from "../../src/policy/compile.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { makeWorld, operationsOf, paidTo, type World } from "./world.ts";

// The operator corrects the policy's file while a decision that was sealed under the old one waits to be signed.

const folder = mkdtempSync(join(tmpdir(), "bursar-changed-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The addresses of the two payees in each other's place: the same payees on the chain, other names for them. */
function swapped({ policyText }: World): string {
  const [one, other] = [...policyText.matchAll(/address: "(0x\w+)", senders/g)].map(
    ([, address]) => address!,
  );
  return policyText.replace(one!, "ONE").replace(other!, one!).replace("ONE", other!);
}

const without = ({ policyText }: World): string => policyText.replace(/^ {2}acme: .*\n/m, "");

test.each([
  ["names another address for the payee", "swapped", swapped],
  ["has no such payee any more", "without", without],
] as const)("a policy that %s signs nothing of what was sealed before", async (_, name, change) => {
  const world = await makeWorld(chain, name);
  const state = join(folder, world.name);
  writeInbox(state, { "01.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }) });
  const first = openHouse(world, { state });
  const cut = decideAll(first, state, {
    onPassage({ at, step }) {
      if (step === "sign" && at === "begun") throw new Error("The power is gone.");
    },
  });
  await expect(cut).rejects.toThrow("The power is gone.");
  first.journal.close();

  const policy = compilePolicy(parsePolicy(change(world)), world.agent.address);
  const changed = openHouse({ ...world, policy }, { state });
  await expect(decideAll(changed, state)).rejects.toMatchObject({
    name: "PolicyChangedError",
    retry: "ask",
    remedy: expect.stringContaining("bursar cancel"),
  });
  expect(await operationsOf(world)).toEqual([]);

  // The way out that it names.
  expect(cancelDecision(changed.journal, "treasurer", undefined)).toBeDefined();
  expect((await decideAll(changed, state)).map(({ outcome }) => outcome)).toEqual(["refused"]);
  changed.journal.close();
  for (const payee of ["acme", "globex"]) expect(await paidTo(world, payee)).toBe(0n);
});

test("a policy that was changed elsewhere signs what was sealed", async () => {
  const world = await makeWorld(chain, "elsewhere");
  const state = join(folder, world.name);
  writeInbox(state, { "01.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }) });
  const first = openHouse(world, { state });
  const cut = decideAll(first, state, {
    onPassage({ at, step }) {
      if (step === "sign" && at === "begun") throw new Error("The power is gone.");
    },
  });
  await expect(cut).rejects.toThrow("The power is gone.");
  first.journal.close();
  const text = world.policyText.replace(
    "senders: [globex.example]",
    "senders: [globex.example, globex.test]",
  );
  const policy = compilePolicy(parsePolicy(text), world.agent.address);
  expect(policy.documentHash).not.toBe(world.policy.documentHash);
  const changed = openHouse({ ...world, policy }, { state });
  expect((await decideAll(changed, state)).map(({ outcome }) => outcome)).toEqual(["paid"]);
  changed.journal.close();
  expect(await paidTo(world, "acme")).toBe(42_500_000n);
});
