import * as z from "zod";

/** Longest message, in characters: an envelope with a large typed document takes a tenth of it. */
export const longestMessage = 512 * 1024;
/** As many topics as the SDK subscribes in one call. */
const mostTopics = 500;
/** A day longer than anything the protocol asks for, in seconds. */
const longestTtl = 31 * 24 * 3600;

const topic = z.string().regex(/^[0-9a-f]{64}$/, "a topic is 32 bytes of hexadecimal");
const message = z.string().min(1).max(longestMessage, `a message has at most ${longestMessage} characters`);
const attestation = z.string().max(16_384).nullish();

/** Fields that are not known are let through: every version of the SDK adds some. */
const publish = z.looseObject({
  topic,
  message,
  ttl: z.number().min(0).optional(),
  tag: z.int().min(0).optional(),
  attestation,
});
const topics = z.array(topic).max(mostTopics, `at most ${mostTopics} topics a call`);

const schemas = {
  publish,
  batchPublish: z.looseObject({ messages: z.array(publish).max(100) }),
  subscribe: z.looseObject({ topic }),
  batchSubscribe: z.looseObject({ topics }),
  unsubscribe: z.looseObject({ topic }),
  batchUnsubscribe: z.looseObject({ subscriptions: z.array(z.looseObject({ topic })).max(mostTopics) }),
  fetchMessages: z.looseObject({ topic }),
  batchFetchMessages: z.looseObject({ topics }),
  proposeSession: z.looseObject({ pairingTopic: topic, sessionProposal: message, attestation }),
  approveSession: z.looseObject({
    pairingTopic: topic,
    sessionTopic: topic,
    sessionProposalResponse: message,
    sessionSettlementRequest: message,
  }),
} as const;

export type RelayCall = {
  [Name in keyof typeof schemas]: { readonly name: Name; readonly params: z.infer<(typeof schemas)[Name]> };
}[keyof typeof schemas];

/** `irn_publish` and, from old clients, `iridium_publish`; the two of newer ones that carry a session. */
export function readCall(method: string, params: unknown): RelayCall | undefined {
  const name =
    /^(?:irn|iridium)_(\w+)$/.exec(method)?.[1] ?? /^wc_(proposeSession|approveSession)$/.exec(method)?.[1];
  if (name === undefined || !Object.hasOwn(schemas, name)) return undefined;
  const parsed = schemas[name as keyof typeof schemas].safeParse(params);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`${issue?.path.join(".") ?? "params"}: ${issue?.message ?? "not understood"}`);
  }
  return { name, params: parsed.data } as RelayCall;
}

/** Seconds that a message is kept. */
export const ttlOf = (asked: number | undefined): number => Math.min(Math.max(asked ?? 300, 1), longestTtl);

export type RelayMessage = {
  readonly idText: string;
  readonly method?: string;
  readonly params?: unknown;
  readonly acknowledged: boolean;
};

/** Ids have 19 digits: as numbers they would change on the way through JavaScript, so their text is kept as it came. */
export function readMessage(text: string): RelayMessage | undefined {
  const sources = new Map<object, string>();
  let root: unknown;
  try {
    root = JSON.parse(
      text,
      function (this: object, key, value: unknown, context?: { readonly source?: string }) {
        if (key === "id" && typeof value === "number") sources.set(this, context?.source ?? String(value));
        return value;
      },
    );
  } catch {
    return undefined;
  }
  const parsed = z
    .looseObject({ id: z.union([z.number(), z.string().max(64)]), method: z.string().max(64).optional() })
    .safeParse(root);
  if (!parsed.success) return undefined;
  const { id, method } = parsed.data;
  return {
    idText: sources.get(root as object) ?? JSON.stringify(id),
    ...(method === undefined ? {} : { method }),
    params: parsed.data["params"],
    acknowledged: parsed.data["result"] === true,
  };
}
