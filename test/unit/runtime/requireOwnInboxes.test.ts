import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, expect, test } from "vitest";
import * as z from "zod";

import { defineAction } from "../../../src/agents/defineAction.ts";
import { defineAgent } from "../../../src/agents/defineAgent.ts";
import type { Agent, TriggerSource } from "../../../src/core/agent.ts";
import { ConfigError } from "../../../src/runtime/config.ts";
import { requireOwnInboxes } from "../../../src/runtime/requireOwnInboxes.ts";

const home = mkdtempSync(join(tmpdir(), "bursar-inboxes-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
mkdirSync(join(home, "bills"));
symlinkSync(join(home, "bills"), join(home, "link"));

const mail = { settings: "mail.json", excerptCharacters: 480 };
const folder = (path: string): TriggerSource => ({ kind: "mailFolder", folder: path, ...mail });
const mailbox = (where: { host?: string; user?: string; folder?: string; port?: number }): TriggerSource => ({
  kind: "mailbox",
  host: "mail.example",
  user: "bills@example.com",
  passwordFile: "password",
  ...mail,
  ...where,
});

const note = defineAction({
  words: "Notes it.",
  input: z.strictObject({ topic: z.enum(["bill", "other"]) }),
});

function member(name: string, source: TriggerSource, actions?: Agent["actions"]) {
  const draft = { name, purpose: "Reads mail.", triggers: [source], prompt: () => ({}) as never };
  return {
    agent: defineAgent(actions === undefined ? draft : { ...draft, actions }),
    agentFile: join(home, `${name}.ts`),
  };
}

test.each<readonly [string, TriggerSource, TriggerSource]>([
  ["one folder", folder("bills"), folder("./bills/")],
  ["one folder that is not there yet", folder("later"), folder("later")],
  ["a folder and a link to it", folder("bills"), folder("link")],
  ["one mailbox", mailbox({}), mailbox({ folder: "inbox", host: "Mail.Example", user: "Bills@example.com" })],
  ["one mailbox by two ports", mailbox({ port: 993 }), mailbox({ port: 143 })],
])("two that pay can't read %s", async (_, first, second) => {
  const members = [member("clerk", first), member("buyer", second)];
  const error = await requireOwnInboxes(members).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).message).toMatch(/clerk and buyer read the same inbox[^]*an inbox of its own/);
});

test.each<readonly [string, ReturnType<typeof member>]>([
  ["another folder", member("buyer", folder("orders"))],
  ["the same folder to take notes, and pays nothing", member("buyer", folder("bills"), { note })],
  ["a mailbox", member("buyer", mailbox({}))],
])("one may read %s", async (_, second) => {
  await expect(requireOwnInboxes([member("clerk", folder("bills")), second])).resolves.toBeUndefined();
});

test("two may read two folders of one mailbox, whose names differ in their case", async () => {
  const members = ["Bills", "bills"].map((name, index) =>
    member(`clerk-${index}`, mailbox({ folder: name })),
  );
  await expect(requireOwnInboxes(members)).resolves.toBeUndefined();
});
