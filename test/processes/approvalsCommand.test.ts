import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { hashTypedData, type Address, type Hex, type TypedDataDefinition } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { createKeystore } from "../../src/chain/keystore.ts";
import type { Ask } from "../../src/core/approval.ts";
import { randomSecret } from "../../src/runtime/clock.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { startInferenceServer, type InferenceServer } from "../doubles/inferenceServer.ts";
import { plainReader, scriptedEngine } from "../doubles/scriptedEngine.ts";
import { configure } from "../integration/configure.ts";
import { billMail, writeInbox } from "../integration/mails.ts";
import { bursarIn } from "../integration/ownersDesk.ts";
import { keyOf, makeWorld, paidTo } from "../integration/world.ts";

// `bursar approvals`, from the question to the payment: nobody in the world's policy approves, so its owner is asked.

const folder = mkdtempSync(join(tmpdir(), "bursar-approve-"));
let served: ServedChain;
let server: InferenceServer | undefined;
beforeAll(async () => {
  served = await serveChain();
  const reader = scriptedEngine(plainReader);
  server = await startInferenceServer("vllm", (prompt) => reader.infer(prompt, { kind: "greedy" }), {
    model: "big",
  });
});
afterAll(async () => {
  await server?.close();
  await served?.close();
  rmSync(folder, { recursive: true, force: true });
});

const unvouched = (reference: string) =>
  billMail({ to: "acme", amount: "42.50", reference, authenticated: false });

/** An agent that has read one mail that nobody vouches for. */
async function asking(name: string) {
  const world = await makeWorld(served.chain, name);
  const state = join(folder, name);
  writeInbox(state, { "1.eml": unvouched("INV-1") });
  await configure(world, served.url, state, {
    config: { model: { remote: { url: server!.url, profile: "vllm", model: "big" } } as never },
  });
  const treasurer = pathToFileURL(join(import.meta.dirname, "../../src/agents/treasurer.ts")).href;
  writeFileSync(
    join(state, "agent.mjs"),
    `import { treasurer } from ${JSON.stringify(treasurer)};\nexport default treasurer({ inbox: "./inbox", mailSettings: "./mail.json" });\n`,
  );
  for (const who of ["owner", "stranger"])
    await createKeystore(
      join(state, `${who}.json`),
      "of this test only",
      keyOf(name, who),
      randomSecret,
      "light",
    );
  const bursar = (...words: readonly string[]) => bursarIn(state, ...words);
  const run = await bursar("run", "agent.mjs", "--once");
  return { bursar, run, state, world };
}

type Shown = Ask & { readonly state: string; readonly digest: Hex; readonly typedData: TypedDataDefinition };

test("a question is listed, shown, answered with a key, and paid by the next decision", async () => {
  const { bursar, run, world } = await asking("keyed");
  const [, prefix] = /\(bursar approvals approve (0x[0-9a-f]{10})\)/.exec(run.stdout) ?? [];
  expect(prefix).toBeDefined();
  const list = await bursar("approvals", "list");
  expect(list.stdout).toMatch(
    new RegExp(
      `^${prefix}  treasurer: 42\\.50 USDC to acme, reference INV-1  \\(sender-unauthenticated\\)  2\\d h left\n$`,
    ),
  );
  const page = await bursar("approvals", "show", prefix!);
  expect(page.stdout).toContain("treasurer asks for 42.50 USDC to acme, reference INV-1");
  expect(page.stdout).toContain(`owner (${world.owner.address.toLowerCase()})`);

  const by = (who: string, ...more: readonly string[]) =>
    bursar(
      "approvals",
      "approve",
      prefix!,
      "--keystore",
      `${who}.json`,
      "--password-file",
      "password",
      ...more,
    );
  expect((await by("stranger", "--yes")).stderr).toMatch(
    /is not asked\.\nUse the key of one who is: owner\./,
  );
  expect((await by("owner")).stderr).toContain("Nobody is there to say yes.");
  const yes = await by("owner", "--yes");
  expect(yes.stdout).toMatch(/^Left for the agent/);
  expect(await paidTo(world, "acme")).toBe(0n);
  const again = await bursar("run", "agent.mjs", "--once");
  expect(again.stdout).toMatch(/→ paid in 0x/);
  expect(await paidTo(world, "acme")).toBe(42_500_000n);
  expect((await bursar("approvals", "list")).stdout).toBe("Nothing is asked now.\n");
  expect((await by("owner", "--yes")).stderr).toContain("It was approved already.");
  expect((await bursar("approvals", "list", "--all", "--json")).stdout).toContain('"state":"approved"');
});

test("a question is answered with what a wallet makes of the typed data, and a bad one is left aside", async () => {
  const { bursar, world } = await asking("wallet");
  const { asks } = JSON.parse((await bursar("approvals", "list", "--json")).stdout) as { asks: Ask[] };
  const { leaf } = asks[0]!;
  const shown = JSON.parse((await bursar("approvals", "show", leaf, "--json")).stdout) as Shown;
  expect(shown).toMatchObject({ state: "open", leaf, callHash: asks[0]!.callHash });
  expect(hashTypedData(shown.typedData)).toBe(shown.digest);
  const signedBy = async (name: string, who: string): Promise<readonly [Address, Hex]> => {
    const key = privateKeyToAccount(keyOf(name, who));
    return [key.address, await key.signTypedData(shown.typedData)];
  };
  const give = (approver: Address, signature: Hex) =>
    bursar("approvals", "approve", leaf, "--approver", approver, "--signature", signature);
  const [stranger, wrong] = await signedBy("wallet", "stranger");
  expect((await give(stranger, wrong)).stderr).toMatch(/is not asked/);
  // The agent does not run: it takes in what lies there when it does, and leaves a bad one aside.
  await give(world.owner.address, wrong);
  await bursar("run", "agent.mjs", "--once");
  expect(await paidTo(world, "acme")).toBe(0n);
  const [owner, good] = await signedBy("wallet", "owner");
  await give(owner, good);
  await bursar("run", "agent.mjs", "--once");
  expect(await paidTo(world, "acme")).toBe(42_500_000n);
});

test("a question is declined for good; what is asked badly is answered clearly", async () => {
  const { bursar, world } = await asking("no");
  const { asks } = JSON.parse((await bursar("approvals", "list", "--json")).stdout) as { asks: Ask[] };
  const { leaf } = asks[0]!;
  expect((await bursar("approvals", "show", "0x12")).stderr).toContain("Nobody asks 0x12.");
  expect((await bursar("approvals", "approve", leaf)).stderr).toContain("with what to say yes");
  expect((await bursar("approvals", "decline", leaf, "--json")).stdout).toBe(
    `${JSON.stringify({ ask: leaf, answer: "decline", taken: false })}\n`,
  );
  await bursar("run", "agent.mjs", "--once");
  expect((await bursar("approvals", "approve", leaf, "--keystore", "owner.json")).stderr).toContain(
    "It was declined already.",
  );
  expect(await paidTo(world, "acme")).toBe(0n);
});
