import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { BaseError } from "../../src/core/errors.ts";
import { sha256Hex } from "../../src/core/hash.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import type { PolicyError } from "../../src/policy/parse.ts";
import { openRuntime, type OpenRuntimeOptions, type Runtime } from "../../src/runtime/openRuntime.ts";
import { startChainProcess } from "../../src/testing/chainProcess.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { startAgent } from "./children.ts";
import { clerk, configure } from "./configure.ts";
import { billMail, writeInbox } from "./mails.ts";
import { decideAll, openHouse } from "./house.ts";
import { makeWorld, operationsOf, paidTo, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-bad-input-"));
let served: ServedChain;
let world: World;
beforeAll(async () => {
  served = await serveChain();
  world = await makeWorld(served.chain, "operator");
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

let states = 0;
const newState = () => join(folder, `state-${(states += 1)}`);

/** The error that opening the runtime ends with; each says what to do. */
async function refusalOf(options: OpenRuntimeOptions): Promise<BaseError> {
  let runtime: Runtime;
  try {
    runtime = await openRuntime(options);
  } catch (error) {
    if (error instanceof BaseError && error.remedy) return error;
    throw error;
  }
  await runtime.close();
  throw new Error("The runtime opened.");
}

describe("a runtime does not open", () => {
  test("on a policy with a typo: line and column are named, and nothing is touched", async () => {
    const state = newState();
    const policyText = world.policyText.replace("perWindow", "perWindw");
    const refusal = (await refusalOf(
      await configure(world, served.url, state, { policyText }),
    )) as PolicyError;
    expect(refusal.name).toBe("PolicyError");
    const line = policyText.split("\n").findIndex((text) => text.includes("perWindw")) + 1;
    const column = policyText.split("\n")[line - 1]!.indexOf("perWindw") + 1;
    const typo = refusal.mistakes.find((mistake) => mistake.path.endsWith("perWindw"));
    expect(typo).toMatchObject({ line, column, words: expect.stringContaining('"perWindow"') });
    expect(refusal.message).toContain(`policy.yaml:${line}:${column}`);
    expect(existsSync(join(state, "journal.db"))).toBe(false);
  });

  test("on a policy with clauses that it makes no use of, or with other decimals than the chain's", async () => {
    const withCalls = world.policyText
      .replace("payees:", `payees:\n  router: { address: "0x${"7a".repeat(20)}", contract: true }`)
      .replace("lifetime:", "functions: [approve], lifetime:");
    const calls = `calls:\n  - { to: router, function: "function swap(uint256 amount)", counts: USDC }\npaymaster: "0x${"7b".repeat(20)}"\n`;
    const refusal = await refusalOf(
      await configure(world, served.url, newState(), { policyText: withCalls + calls }),
    );
    expect(refusal).toMatchObject({
      name: "PolicyNotDrivenError",
      facts: { clauses: "calls; functions of USDC (approve); paymaster" },
    });
    const policyText = world.policyText.replace("decimals: 6", "decimals: 7");
    const decimals = await refusalOf(await configure(world, served.url, newState(), { policyText }));
    expect(decimals.message).toContain("USDC has 6 decimals on chain, and the policy says 7.");
  });

  test("on a chain that is not the policy's", async () => {
    const policyText = world.policyText.replace("chain: 31337", "chain: 8453");
    const finality = { depth: 0 };
    const refusal = await refusalOf(
      await configure(world, served.url, newState(), {
        policyText,
        config: { chain: { rpc: served.url, chainId: 8453, finality } },
      }),
    );
    expect(refusal).toMatchObject({
      name: "WrongChainError",
      retry: "never",
      facts: { expected: "8453", actual: "31337" },
    });
    const differing = await refusalOf(await configure(world, served.url, newState(), { policyText }));
    expect(differing.name).toBe("ConfigError");
  });

  test("on an RPC that is dead: trying again is safe", async () => {
    const port = await freePort();
    const refusal = await refusalOf(await configure(world, `http://127.0.0.1:${port}`, newState()));
    expect(refusal).toMatchObject({ name: "RpcUnreachableError", retry: "safe" });
  });

  test("on an account that is not there", async () => {
    const account = "0x000000000000000000000000000000000000bEEF";
    const refusal = await refusalOf(await configure(world, served.url, newState(), { config: { account } }));
    expect(refusal).toMatchObject({ name: "MissingContractError", facts: { address: account } });
  });

  test("with a wrong password, and says so without saying it", async () => {
    const state = newState();
    const options = await configure(world, served.url, state);
    writeFileSync(join(state, "password"), "hunter2\n");
    const refusal = await refusalOf(options);
    expect(refusal.name).toBe("KeystoreError");
    expect(refusal.message).not.toContain("hunter2");
  });

  test("on a model file that was cut short, whatever hash is expected of it", async () => {
    const state = newState();
    const half = readFileSync(clerk.file).subarray(0, 100_000);
    const file = join(folder, "half.gguf");
    writeFileSync(file, half);
    const model = { file, mode: "canonical", contextSize: 1024, threads: 1 } as const;
    const open = async (sha256: typeof clerk.sha256) =>
      refusalOf(await configure(world, served.url, state, { config: { model: { ...model, sha256 } } }));
    expect((await open(clerk.sha256)).name).toBe("ModelHashMismatchError");
    expect((await open(sha256Hex(half))).name).toBe("ModelFileError");
    // A runtime that did not open holds nothing: the journal is free.
    openJournal(join(state, "journal.db")).close();
  });

  test("on a journal that another runtime has open", async () => {
    const state = newState();
    const options = await configure(world, served.url, state);
    const other = openJournal(join(state, "journal.db"));
    expect((await refusalOf(options)).name).toBe("JournalLockedError");
    other.close();
  });

  test("on a journal that it may not write", async () => {
    const state = newState();
    const options = await configure(world, served.url, state);
    openJournal(join(state, "journal.db")).close();
    for (const name of ["journal.db", "journal.db.lock"]) chmodSync(join(state, name), 0o444);
    chmodSync(state, 0o555);
    for (const name of ["agent.json", "purse.json", "password"]) chmodSync(join(state, name), 0o644);
    chmodSync(folder, 0o755);
    // Root may write everything: be somebody else for a moment.
    const root = process.geteuid?.() === 0;
    if (root) process.seteuid!(65534);
    try {
      expect((await refusalOf(options)).name).toBe("JournalOpenError");
    } finally {
      if (root) process.seteuid!(0);
      chmodSync(state, 0o755);
    }
  });
});

describe("a port in use", () => {
  test("is named by the local chain, in this process and in one of its own", async () => {
    const port = Number(new URL(served.url).port);
    await expect(serveChain({ port })).rejects.toMatchObject({ name: "PortInUseError" });
    await expect(startChainProcess({ port })).rejects.toThrow(`Port ${port} on this machine is in use.`);
  });
});

describe("a disk that is full", () => {
  test("stops the runtime before the next step; with space again it goes on and pays nothing twice", async () => {
    const full = await makeWorld(served.chain, "full-disk");
    const state = newState();
    const mails = Array.from({ length: 6 }, (_, index) => [
      `0${index}.eml`,
      billMail({
        to: index % 2 === 0 ? "acme" : "globex",
        amount: `${10 + index}.00`,
        reference: `D-${index}`,
      }),
    ]);
    writeInbox(state, Object.fromEntries(mails) as Record<string, string>);
    const order = { rpc: served.url, world: full.name, state };
    const stops: string[] = [];
    let finished = false;
    for (let limitKiB = 240; !finished && limitKiB < 4000; limitKiB += 80) {
      const { lines, stderr } = await startAgent(order, limitKiB).ended;
      finished = lines.at(-1) === "finished";
      if (finished) break;
      expect({ stderr, end: lines.at(-1) }).toEqual({ stderr: "", end: "failed JournalWriteError" });
      // Nothing happened between the result that could not be kept and the end.
      const last = lines.at(-2)!;
      expect(last).toMatch(/^ready$| done | committed /);
      stops.push(last.split(" ").slice(0, 2).join(" "));
    }
    expect(finished).toBe(true);
    expect(stops.length).toBeGreaterThan(1);
    expect(await paidTo(full, "acme")).toBe(36_000_000n);
    expect(await paidTo(full, "globex")).toBe(39_000_000n);
    expect(await operationsOf(full)).toHaveLength(6);
  });
});

describe("an inbox with bad mail in it", () => {
  test("decides the good bill, and reports each bad mail once, also after a restart", async () => {
    const mixed = await makeWorld(served.chain, "mixed-inbox");
    const state = newState();
    writeInbox(state, {
      "01-huge.eml": `${billMail({ to: "acme", amount: "1.00", reference: "H-1" })}${"x".repeat(5 * 1024 * 1024)}`,
      "02-empty.eml": "",
      "03-noise.eml": Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) % 256)),
      "04-broken.eml": [
        "From: a@acme.example",
        'Content-Type: multipart/mixed; boundary="b"',
        "",
        "--b",
        "Content-Type: text/plain; charset=utf-9000",
        "Content-Transfer-Encoding: base64",
        "",
        "%%%% not base64 %%%%",
        "--b",
        'Content-Type: multipart/alternative; boundary="c',
      ].join("\r\n"),
      "05-good.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1" }),
    });
    const run = async () => {
      const unusable: string[] = [];
      const house = openHouse(mixed, { state });
      try {
        const reports = await decideAll(house, state, {
          onUnusable(file, error) {
            expect(error.remedy).toBeTruthy();
            unusable.push(`${file} ${error.name}`);
          },
        });
        return { reports, unusable };
      } finally {
        house.journal.close();
      }
    };
    const first = await run();
    expect(first.unusable).toEqual([
      "01-huge.eml MailTooLargeError",
      "02-empty.eml MailUnreadableError",
      "03-noise.eml MailUnreadableError",
    ]);
    // Broken MIME with a sender is still a mail: nothing in it is a bill.
    expect(first.reports.map(({ outcome, trigger }) => `${trigger.label} ${outcome}`)).toEqual([
      "04-broken.eml held",
      "05-good.eml paid",
    ]);
    const second = await run();
    expect(second.unusable).toEqual([]);
    expect(second.reports).toHaveLength(2);
    expect(await paidTo(mixed, "acme")).toBe(42_500_000n);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
