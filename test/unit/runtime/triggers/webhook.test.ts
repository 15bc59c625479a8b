import { createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeEach, expect, it } from "vitest";

import type { JournalDatabase } from "../../../../src/journal/openJournal.ts";
import { addTrigger, nextTrigger } from "../../../../src/journal/triggers.ts";
import { mostWaiting } from "../../../../src/runtime/triggers/watcher.ts";
import { openWebhooks, WebhookError } from "../../../../src/runtime/triggers/webhook.ts";
import { temporaryJournal } from "../../journal/temporary.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-hooks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const secret = randomBytes(32);
const secretFile = join(folder, "secret");
writeFileSync(secretFile, `whsec_${secret.toString("base64")}\n`);

const nowSeconds = 1_800_000_000;
const source = { kind: "webhook", name: "orders", secretFile: "secret" } as const;
let journal: JournalDatabase;
let hooks: Awaited<ReturnType<typeof openWebhooks>>;
const open = (port = 0, file = secretFile) =>
  openWebhooks({
    agent: "clerk",
    journal,
    sources: [source],
    secretFiles: [file],
    listen: { host: "127.0.0.1", port },
    now: () => nowSeconds * 1000,
  });
beforeEach(async () => {
  journal = temporaryJournal();
  hooks = await open();
});
afterEach(() => hooks.close!());

type Post = {
  path?: string;
  method?: string;
  id?: string;
  at?: number;
  key?: Buffer;
  body?: string | Buffer;
  signed?: string;
};
async function post({
  path = "/hooks/clerk/orders",
  method = "POST",
  id = "msg_1",
  at = nowSeconds,
  key = secret,
  ...rest
}: Post = {}) {
  const body = rest.body ?? '{"order":1}';
  const signed = createHmac("sha256", key)
    .update(`${id}.${at}.`)
    .update(rest.signed ?? body)
    .digest("base64");
  const answer = await fetch(`http://127.0.0.1:${hooks.port}${path}`, {
    method,
    headers: {
      "webhook-id": id,
      "webhook-timestamp": String(at),
      // Secrets are rotated by signing twice; what somebody else's version says is left aside.
      "webhook-signature": `v1a,AAAA v1,${randomBytes(32).toString("base64")} v1,${signed}`,
    },
    ...(method === "POST" ? { body } : {}),
  });
  return answer.status;
}

it("takes a signed message in, once", async () => {
  expect(await post()).toBe(202);
  expect(nextTrigger(journal, "clerk", 0)).toMatchObject({
    kind: "webhook",
    dedupeId: "webhook:/hooks/clerk/orders:msg_1",
    payload: {
      facts: {
        "webhook.name": { value: "orders", provenance: "operator" },
        "webhook.body": { value: '{"order":1}', provenance: "untrusted" },
      },
    },
  });
  expect(await post()).toBe(200);
  expect(journal.all("select 1 as one from trigger_")).toHaveLength(1);
});

it("signs as Standard Webhooks does (the example of its specification)", async () => {
  const key = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
  const content = 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}';
  expect(createHmac("sha256", key).update(content).digest("base64")).toBe(
    "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  );
});

it.each<[string, number, Post]>([
  ["a path that nobody watches", 404, { path: "/hooks/clerk/other" }],
  ["another method", 405, { method: "GET" }],
  ["another key", 401, { key: randomBytes(32) }],
  ["another body than was signed", 401, { signed: "{}" }],
  ["an old message", 401, { at: nowSeconds - 301 }],
  ["a message from the future", 401, { at: nowSeconds + 301 }],
  ["no id", 400, { id: "" }],
  ["bytes that are no text", 400, { body: Buffer.from([0xff, 0xfe]) }],
  ["a body that is too long", 413, { body: "x".repeat(65_537) }],
])("refuses %s", async (_, status, request) => {
  expect(await post(request)).toBe(status);
  expect(nextTrigger(journal, "clerk", 0)).toBeUndefined();
});

it("tells senders to come back while too much waits, and answers on", async () => {
  journal.atomically(() => {
    for (let index = 0; index < mostWaiting; index++)
      journal.run(
        "insert into trigger_ (dedupe_id, position, agent, kind, label, payload) values (?, ?, 'clerk', 'clock', '', '{}')",
        `t${index}`,
        index + 1,
      );
  });
  expect(await post()).toBe(503);
  journal.run("update trigger_ set decision = 'd' where position = 1");
  expect(await post()).toBe(202);
});

it("needs a secret that is one, and a place to listen", async () => {
  const weak = join(folder, "weak");
  for (const text of ["", "hello", "whsec_", "whsec_AAAA"]) {
    writeFileSync(weak, text);
    await expect(open(0, weak)).rejects.toThrow(WebhookError);
  }
  await expect(open(0, join(folder, "nothing"))).rejects.toThrow("can't be read");
  await expect(open(hooks.port)).rejects.toThrow("no place to listen");
  expect(addTrigger(journal, "clerk", { kind: "clock", dedupeId: "x", label: "", payload: {} })).toBe(true);
});
