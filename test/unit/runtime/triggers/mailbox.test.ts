import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeEach, expect, it } from "vitest";

import type { BaseError } from "../../../../src/core/errors.ts";
import type { JournalDatabase } from "../../../../src/journal/openJournal.ts";
import { MailboxError, watchMailbox, type MailboxSource } from "../../../../src/runtime/triggers/mailbox.ts";
import type { Watcher } from "../../../../src/runtime/triggers/watcher.ts";
import { temporaryJournal } from "../../journal/temporary.ts";
import { imapDate, serveMail, type ImapServer } from "./imapServer.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-mailbox-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const settingsFile = file("mail.json", JSON.stringify({ maxBytes: 2048 }));
const passwordFile = file("password", "testpass\n");

const startMs = 1_800_000_000_000;
let nowMs = startMs;
let journal: JournalDatabase;
let server: ImapServer;
let watcher: Watcher | undefined;
const unusable: string[] = [];
const waiting: BaseError[] = [];

const mail = (subject: string, body = "Please pay.") =>
  `From: Acme <bills@acme.example>\r\nTo: us@example.org\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@acme.example>\r\n\r\n${body}\r\n`;
const deliver = (subject: string, atMs = nowMs) => server.deliver(mail(subject), new Date(atMs));
const open = async (source: Partial<MailboxSource> = {}, password = passwordFile) =>
  (watcher = await watchMailbox({
    agent: "clerk",
    journal,
    source: {
      kind: "mailbox",
      host: "127.0.0.1",
      port: server.port,
      security: "none",
      user: "testuser",
      passwordFile: "password",
      settings: "mail.json",
      excerptCharacters: 400,
      ...source,
    },
    passwordFile: password,
    settingsFile,
    now: () => nowMs,
    onUnusable: (name) => void unusable.push(name),
    onWaiting: (error) => void waiting.push(error),
  }));
type Payload = { readonly facts: Readonly<Record<string, { readonly value: string }>> };
const subjects = () =>
  journal
    .all("select payload from trigger_ order by position")
    .map((row) => (JSON.parse(String(row["payload"])) as Payload).facts["mail.subject"]!.value);
/** A server announces in its own time, so this is polled. */
const scanned = async () => {
  await watcher!.scan();
  return subjects();
};
const soon = { timeout: 10_000, interval: 20 };

beforeEach(async () => {
  journal = temporaryJournal();
  nowMs = startMs;
  unusable.length = waiting.length = 0;
  const old = { raw: mail("old"), internaldate: imapDate(new Date(startMs - 86_400_000)) };
  server = await serveMail([old]);
});
afterEach(async () => {
  await watcher?.close?.();
  watcher = undefined;
  await server.close();
});

it("takes what arrives from the first start on, in order, and marks nothing as seen", async () => {
  await open();
  deliver("one");
  deliver("two");
  await expect.poll(scanned, soon).toEqual(["one", "two"]);
  deliver("three");
  await expect.poll(scanned, soon).toEqual(["one", "two", "three"]);
  expect(server.inbox().messages.map(({ flags }) => flags)).toEqual([[], [], [], []]);
  expect(waiting).toEqual([]);
});

it("goes on where it stopped, whatever arrived in between", async () => {
  await open();
  deliver("one");
  await expect.poll(scanned, soon).toEqual(["one"]);
  await watcher!.close!();
  deliver("two");
  await open();
  await expect.poll(scanned, soon).toEqual(["one", "two"]);
});

it("the same bytes under another number count once", async () => {
  await open();
  deliver("one");
  deliver("one");
  deliver("two");
  await expect.poll(scanned, soon).toEqual(["one", "two"]);
});

it("a mailbox that was numbered anew is read again from the first start on", async () => {
  await open();
  deliver("one");
  await expect.poll(scanned, soon).toEqual(["one"]);
  await watcher!.close!();
  server.inbox().uidvalidity += 1;
  deliver("two");
  await open();
  await expect.poll(scanned, soon).toEqual(["one", "two"]);
});

it("takes what is moved into the folder, however old it is", async () => {
  await open();
  deliver("moved", startMs - 86_400_000);
  await expect.poll(scanned, soon).toEqual(["moved"]);
});

it("a mail over the limit and one that is none are noted once, and stop no other", async () => {
  await open();
  server.deliver(mail("large", "x".repeat(3000)), new Date(nowMs));
  server.deliver("no mail at all", new Date(nowMs));
  deliver("one");
  await expect.poll(scanned, soon).toEqual(["one"]);
  expect(unusable).toEqual(["INBOX 2", "INBOX 3"]);
});

it("more than one scan takes is taken by the next ones", async () => {
  await open();
  const many = Array.from({ length: 60 }, (_, index) => `bill ${index}`);
  for (const subject of many) deliver(subject);
  await expect.poll(scanned, soon).toEqual(many);
});

it("a connection that breaks is made again, after a pause", async () => {
  await open();
  deliver("one");
  await expect.poll(scanned, soon).toEqual(["one"]);
  const { port } = server;
  const kept = server.inbox().messages.map(({ raw }) => ({ raw, internaldate: imapDate(new Date(nowMs)) }));
  await server.close();
  nowMs += 31_000;
  await expect
    .poll(async () => {
      await watcher!.scan();
      return waiting.length;
    })
    .toBe(1);
  expect(waiting[0]).toMatchObject({ name: "MailboxError", retry: "safe" });
  server = await serveMail(kept, { port });
  deliver("two");
  // Not before its pause is over.
  await watcher!.scan();
  expect(subjects()).toEqual(["one"]);
  nowMs += 1000;
  await expect.poll(scanned, soon).toEqual(["one", "two"]);
});

it("a server that is away at the start is waited for", async () => {
  const { port } = server;
  await server.close();
  await open({ port });
  expect(waiting).toHaveLength(1);
  server = await serveMail([], { port });
  nowMs += 1000;
  await watcher!.scan();
  deliver("one");
  await expect.poll(scanned, soon).toEqual(["one"]);
});

it("a server that hangs holds no scan up", async () => {
  await open();
  const { port } = server;
  await server.close();
  const silent = createServer().listen(port, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  expect((silent.address() as AddressInfo).port).toBe(port);
  nowMs += 31_000;
  const begun = performance.now();
  await watcher!.scan();
  expect(performance.now() - begun).toBeLessThan(5000);
  await watcher!.close!();
  watcher = undefined;
  await new Promise((resolve) => silent.close(resolve));
  server = await serveMail();
});

it.each([
  ["a wrong password", {}, file("wrong", "no"), /refuses testuser/],
  ["a folder that is not there", { folder: "Bills" }, passwordFile, /no folder Bills/],
  ["a server without TLS where TLS was asked for", { security: "tls" }, passwordFile, /can't be secured/],
  [
    "a server without STARTTLS where that was asked for",
    { security: "starttls" },
    passwordFile,
    /can't be secured/,
  ],
  ["no TLS to another machine", { host: "mail.example.org" }, passwordFile, /without TLS/],
] as const)("%s is an error at the start", async (_name, source, password, words) => {
  const error = await open(source, password).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(MailboxError);
  expect(error).toMatchObject({ retry: "never", remedy: expect.any(String) });
  expect((error as Error).message).toMatch(words);
  expect((error as Error).message).not.toContain("testpass");
});

it("a certificate that nobody vouches for is an error at the start", async () => {
  await server.close();
  // The server's own, signed by itself.
  server = await serveMail([], { secureConnection: true });
  const error = await open({ security: "tls" }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: "MailboxError", retry: "never" });
  expect((error as Error).message).toMatch(/can't be secured/);
});
