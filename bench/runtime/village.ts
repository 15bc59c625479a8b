import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { privateKeyToAccount } from "viem/accounts";
import { keccak256, sliceHex, toHex } from "viem";

import { treasurer } from "../../src/agents/treasurer.ts";
import type { Inference } from "../../src/core/inference.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { Operation } from "../../src/core/operation.ts";
import type { Trigger } from "../../src/core/trigger.ts";
import { openJournal, type JournalDatabase } from "../../src/journal/openJournal.ts";
import { query } from "../../src/journal/query.ts";
import { addUpTo, nextTrigger } from "../../src/journal/triggers.ts";
import { compilePolicy } from "../../src/policy/compile.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { now, randomSecret, sleep } from "../../src/runtime/clock.ts";
import type { House } from "../../src/runtime/house.ts";
import { watchMailFolder } from "../../src/runtime/triggers/mailFolder.ts";
import { memoryChain } from "../../test/doubles/memoryChain.ts";
import { plainReader, scriptedEngine } from "../../test/doubles/scriptedEngine.ts";
import { billMail, writeInbox } from "../../test/integration/mails.ts";

/** Many agents on one journal, with a model and a chain that take no time. */
export type Village = {
  readonly journal: JournalDatabase;
  readonly houses: readonly House[];
  /** What opening the journal took. */
  readonly openMs: number;
  /** Puts bills into an agent's inbox, durably: each another reference and another amount. */
  give(house: House, bills: number): void;
};

const chainId = 31_337;
const policyText = `policy: bench
version: 1
chain: ${chainId}
tokens:
  USDC: { address: "0x${"01".repeat(20)}", decimals: 6 }
payees:
  acme: { address: "0x${"02".repeat(20)}", senders: [acme.example] }
limits:
  - { perPayment: "500.00 USDC", perWindow: "5000.00 USDC", window: 24h, lifetime: "20000.00 USDC" }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;

const [amount, reference] = ["11.11", "INV-000000"] as const;

const carried = query((tables) =>
  tables
    .selectFrom("operation")
    .select("body")
    .where("state", "in", ["sent", "settled"])
    .orderBy("lane")
    .orderBy("nonce"),
);

export async function openVillage(file: string, agents: number): Promise<Village> {
  const signer = privateKeyToAccount(keccak256(toHex("the bench's agent key")));
  const policy = compilePolicy(parsePolicy(policyText), signer.address);
  const { bundler, chain } = memoryChain(chainId);
  const engine = scriptedEngine(plainReader, () => ((engine.inferences as Inference[]).length = 0));
  const started = performance.now();
  const journal = openJournal(file);
  const openMs = performance.now() - started;
  // What a runtime before this one had sent is on the chain.
  for (const { body } of journal.all(carried())) await bundler.send((JSON.parse(body) as Operation).userOp);
  const mail = JSON.stringify(await readOne());
  let given = 0;
  const houses = Array.from({ length: agents }, (_, index): House => {
    const name = `agent-${index}`;
    return {
      agent: treasurer({ name, inbox: "./inbox", mailSettings: "./mail.json" }),
      policy,
      // A lane is an account's and a key's: one key will do for all of them.
      account: sliceHex(keccak256(toHex(name)), 0, 20),
      ownerSignatures: {},
      signer,
      chain,
      bundler,
      purse: null,
      engine,
      journal,
      randomSecret,
      now,
      retryPauseMs: 0,
      askSeconds: 86_400,
      sleep,
    };
  });
  return {
    journal,
    houses,
    openMs,
    give({ agent }, bills) {
      const triggers = Array.from({ length: bills }, (): Trigger => {
        const number = ++given;
        const payload = mail
          .replaceAll(reference, `INV-${String(number).padStart(6, "0")}`)
          .replaceAll(amount, ((number % 49_000) / 100 + 1).toFixed(2));
        return {
          kind: "mail",
          dedupeId: `mail:${number}`,
          label: `${number}.eml`,
          payload: JSON.parse(payload) as JsonObject,
        };
      });
      addUpTo(journal, agent.name, "bench", 0, triggers);
    },
  };
}

/** What the mail room makes of a bill. */
async function readOne(): Promise<JsonObject> {
  const folder = mkdtempSync(path.join(tmpdir(), "bursar-bench-mail-"));
  const journal = openJournal(path.join(folder, "journal.db"));
  try {
    writeInbox(folder, { "1.eml": billMail({ to: "acme", amount, reference }) });
    const { scan } = await watchMailFolder({
      agent: "reader",
      journal,
      source: { kind: "mailFolder", folder: "inbox", settings: "mail.json", excerptCharacters: 2000 },
      folder: path.join(folder, "inbox"),
      settingsFile: path.join(folder, "mail.json"),
      now,
      onUnusable: (file) => {
        throw new Error(`${file} can't be read.`);
      },
    });
    await scan();
    return nextTrigger(journal, "reader", 0)!.payload;
  } finally {
    journal.close();
    rmSync(folder, { recursive: true });
  }
}
