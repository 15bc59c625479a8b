import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

import { WebSocket } from "ws";

type Answer = {
  readonly id: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
};
export type Delivery = {
  readonly id: string;
  readonly topic: string;
  readonly message: string;
  readonly tag: number;
};

/** A client of a relay without any SDK: calls, and the deliveries as they come. */
export type RawClient = {
  readonly id: string;
  readonly deliveries: readonly Delivery[];
  /** The whole answer. */
  call(method: string, params: object): Promise<Answer>;
  /** Sends a line as it is. */
  say(text: string): void;
  readonly lines: readonly string[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  close(): void;
};

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

export type Identity = { readonly id: string; token(change?: object, header?: object): string };

export function newIdentity(): Identity {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(12);
  let number = BigInt(`0x${Buffer.concat([Buffer.from([0xed, 0x01]), raw]).toString("hex")}`);
  let encoded = "";
  for (; number > 0n; number /= 58n) encoded = base58[Number(number % 58n)]! + encoded;
  const id = `did:key:z${encoded}`;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return {
    id,
    token(change = {}, header = { alg: "EdDSA", typ: "JWT" }) {
      const iat = Math.floor(Date.now() / 1000);
      const claims = {
        iss: id,
        sub: randomBytes(32).toString("hex"),
        aud: "wss://elsewhere.example",
        iat,
        exp: iat + 86_400,
        ...change,
      };
      const text = `${part(header)}.${part(claims)}`;
      return `${text}.${sign(null, Buffer.from(text), privateKey).toString("base64url")}`;
    },
  };
}

export async function connectRaw(
  url: string,
  {
    acknowledge = true,
    identity = newIdentity(),
    token = identity.token(),
  }: { acknowledge?: boolean; identity?: Identity; token?: string } = {},
): Promise<RawClient> {
  const socket = new WebSocket(`${url}/?auth=${token}&projectId=local&useOnCloseEvent=true`);
  const deliveries: Delivery[] = [];
  const lines: string[] = [];
  const waiting = new Map<string, (answer: Answer) => void>();
  let next = 1;
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  socket.on("error", () => undefined);
  socket.on("message", (data) => {
    const text = (data as Buffer).toString("utf8");
    lines.push(text);
    const message = JSON.parse(text) as Answer & { method?: string; params?: { data: Omit<Delivery, "id"> } };
    if (message.method === undefined) return waiting.get(String(message.id))?.(message);
    deliveries.push({ id: String(message.id), ...message.params!.data });
    if (acknowledge) socket.send(JSON.stringify({ id: message.id, jsonrpc: "2.0", result: true }));
  });
  await Promise.race([new Promise((resolve) => socket.once("open", resolve)), closed]);
  return {
    id: identity.id,
    deliveries,
    lines,
    closed,
    call: (method, params) =>
      new Promise((resolve) => {
        const id = String(next++);
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ id, jsonrpc: "2.0", method, params }));
      }),
    say: (text) => socket.send(text),
    close: () => socket.terminate(),
  };
}

export const newTopic = (): string => randomBytes(32).toString("hex");
