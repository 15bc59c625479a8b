import { createHmac, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

import type { TriggerSource } from "../../core/agent.ts";
import { BaseError } from "../../core/errors.ts";
import type { Fact } from "../../core/observation.ts";
import type { Now } from "../../core/ports.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { addTrigger, countWaiting, knowsTrigger } from "../../journal/triggers.ts";
import { mostWaiting, type Watcher } from "./watcher.ts";

/** A webhook that can't be offered: no secret, no place to listen. */
export class WebhookError extends BaseError {
  override readonly name = "WebhookError";
}

export type WebhookSource = Extract<TriggerSource, { kind: "webhook" }>;

/** Longest body, in bytes. */
const mostBytes = 65_536;
/** How old or early a message's own time may be, in seconds (Standard Webhooks recommends five minutes). */
const toleranceSeconds = 300;
/** Fewest bytes of a secret: those of a SHA-256 key's half. */
const leastSecretBytes = 24;

type Answer = {
  readonly status: number;
  readonly words: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/**
 * Wakes an agent by signed HTTP requests, `POST /hooks/<agent>/<name>`, as Standard Webhooks (standardwebhooks.com) has them:
 * `webhook-id`, `webhook-timestamp` and `webhook-signature` (v1, HMAC-SHA256 over id.timestamp.body). 202 means that the message is
 * durable; the same id again is 200 and wakes nobody. The body is untrusted: the signature says who sent it, not that it is true.
 *
 * @throws WebhookError
 */
export async function openWebhooks(options: {
  readonly agent: string;
  readonly journal: JournalDatabase;
  readonly sources: readonly WebhookSource[];
  /** Absolute path of each secret's file, in the order of the sources. */
  readonly secretFiles: readonly string[];
  readonly listen: { readonly host: string; readonly port: number };
  readonly now: Now;
}): Promise<Watcher & { readonly port: number }> {
  const { agent, listen } = options;
  const secrets = new Map<string, Buffer>();
  for (const [index, { name }] of options.sources.entries())
    secrets.set(`/hooks/${agent}/${name}`, await readSecret(options.secretFiles[index]!));
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    void answer(options, secrets, request)
      .catch((): Answer => ({ status: 500, words: "It could not be kept; send it again." }))
      .then((given) => send(response, given));
  });
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new WebhookError("The webhooks have no place to listen.", {
          remedy: "Give another port under webhooks in the configuration, or stop what listens there.",
          facts: { ...listen, detail: error.message },
          cause: error,
        }),
      ),
    );
    server.listen(listen.port, listen.host, resolve);
  });
  const { port } = server.address() as { readonly port: number };
  return {
    port,
    scan: () => Promise.resolve(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readSecret(file: string): Promise<Buffer> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new WebhookError("A webhook's secret can't be read.", {
      remedy: "Name a file that holds whsec_ and the secret in base64.",
      facts: { file },
      cause: error,
    });
  });
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})\s*$/.exec(text)?.[1];
  const secret = Buffer.from(encoded ?? "", "base64");
  if (secret.length < leastSecretBytes)
    throw new WebhookError("A webhook's secret is none.", {
      remedy: `Write whsec_ and at least ${leastSecretBytes} random bytes in base64, as Standard Webhooks has it.`,
      facts: { file },
    });
  return secret;
}

async function answer(
  options: Pick<Parameters<typeof openWebhooks>[0], "agent" | "journal" | "now">,
  secrets: ReadonlyMap<string, Buffer>,
  request: IncomingMessage,
): Promise<Answer> {
  const { agent, journal } = options;
  const path = (request.url ?? "").split("?")[0]!;
  const secret = secrets.get(path);
  if (!secret) return { status: 404, words: "No such webhook." };
  if (request.method !== "POST") return { status: 405, words: "POST only.", headers: { allow: "POST" } };
  const body = await read(request);
  if (body === undefined) return { status: 413, words: `More than ${mostBytes} bytes.` };
  const header = (name: string): string => String(request.headers[name] ?? "");
  const [id, timestamp, signatures] = [
    header("webhook-id"),
    header("webhook-timestamp"),
    header("webhook-signature"),
  ];
  if (!/^[\x21-\x7e]{1,128}$/.test(id) || !/^\d{1,12}$/.test(timestamp))
    return { status: 400, words: "webhook-id or webhook-timestamp is missing." };
  const expected = createHmac("sha256", secret).update(`${id}.${timestamp}.`).update(body).digest();
  if (!signatures.split(" ").some((one) => isSignature(one, expected)))
    return { status: 401, words: "No signature of this webhook's secret." };
  if (Math.abs(options.now() / 1000 - Number(timestamp)) > toleranceSeconds)
    return { status: 401, words: "The message's time is not now." };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return { status: 400, words: "The body is no UTF-8 text." };
  }
  const dedupeId = `webhook:${path}:${id}`;
  if (knowsTrigger(journal, agent, dedupeId)) return { status: 200, words: "Known already." };
  if (countWaiting(journal, agent) >= mostWaiting)
    return { status: 503, words: "Too much is waiting.", headers: { "retry-after": "60" } };
  const fact = (value: string, provenance: Fact["provenance"]): Fact => ({ value, provenance });
  addTrigger(journal, agent, {
    kind: "webhook",
    dedupeId,
    label: `${path} ${id}`,
    payload: {
      facts: {
        "webhook.name": fact(path.split("/").at(-1)!, "operator"),
        "webhook.id": fact(id, "untrusted"),
        "webhook.body": fact(text, "untrusted"),
      },
    },
  });
  return { status: 202, words: "Accepted." };
}

/** `v1,<base64>`; other versions are somebody else's. Compared in constant time. */
function isSignature(text: string, expected: Buffer): boolean {
  const [version, encoded = ""] = text.split(",");
  const given = Buffer.from(encoded, "base64");
  return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
}

/** The whole body; undefined when it is too long, and then no more of it is read. */
async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > mostBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function send(response: ServerResponse, { headers = {}, status, words }: Answer): void {
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    connection: "close",
    ...headers,
  });
  response.end(`${words}\n`);
}
