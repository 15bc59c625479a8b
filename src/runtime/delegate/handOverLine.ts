import { createInterface } from "node:readline";
import type { Socket } from "node:net";

import { isAddress, isHex, type Address, type Hex } from "viem";
import * as z from "zod";

import type { GrantDelegation } from "../../core/delegation.ts";
import type { HandOverEvent } from "./handOverOptions.ts";

/** What whoever runs the agent says about a delegation; amounts as people write them, "100.00 USDC". */
const terms = z.strictObject({
  token: z.string().max(64).exactOptional(),
  total: z.string().max(100).exactOptional(),
  perPayment: z.string().max(100).exactOptional(),
  perWindow: z.string().max(100).exactOptional(),
  days: z.number(),
  purpose: z.string().max(1000),
  rung: z.literal("spendGrant").exactOptional(),
});

/** What the command says to a running agent: one JSON value a line. Who hangs up stops the hand-over. */
export const toAgent = z.discriminatedUnion("say", [
  z.strictObject({
    say: z.literal("begin"),
    agent: z.string().min(1).max(256),
    terms,
    expected: z
      .custom<Address>((value) => typeof value === "string" && isAddress(value, { strict: false }))
      .exactOptional(),
  }),
  z.strictObject({ say: z.literal("answer"), yes: z.boolean() }),
]);
export type ToAgent = z.infer<typeof toAgent>;
export type AskedHandOver = Extract<ToAgent, { say: "begin" }>;

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;

/** What it answers. */
export const fromAgent = z.discriminatedUnion("say", [
  z.strictObject({
    say: z.literal("event"),
    event: z.custom<HandOverEvent>((value) => isObject(value) && "kind" in (value as object)),
  }),
  z.strictObject({ say: z.literal("ask"), question: z.enum(["account", "grant"]), words: z.string() }),
  z.strictObject({
    say: z.literal("done"),
    delegation: z.custom<GrantDelegation>((value) => isObject(value) && isHex((value as { id?: Hex }).id)),
  }),
  z.strictObject({
    say: z.literal("failed"),
    words: z.string(),
    remedy: z.string().exactOptional(),
    facts: z.record(z.string(), z.string()),
  }),
]);
export type FromAgent = z.infer<typeof fromAgent>;

/** Longest line, in characters. */
const longest = 256 * 1024;

/** Writes a message on a line. */
export function say(line: Socket, message: ToAgent | FromAgent): void {
  if (line.writable) line.write(`${JSON.stringify(message)}\n`);
}

/** The messages that come over a line, in order. What is none, or too long, ends it; so does the death of whoever is at the other end. */
export async function* messagesOf<T>(line: Socket, schema: z.ZodType<T>): AsyncGenerator<T> {
  const reader = createInterface({ input: line });
  // A line that is destroyed here has no end of its own, and the reader would wait for one.
  line.once("close", () => reader.close());
  if (line.destroyed) reader.close();
  try {
    for await (const text of reader) {
      if (text.length > longest) return;
      const parsed = schema.safeParse(parseJson(text));
      if (!parsed.success) return;
      yield parsed.data;
    }
  } catch (error) {
    // Whoever dies with unread bytes resets the line; the reader throws that.
    if (error !== line.errored) throw error;
  } finally {
    line.destroy();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
