import * as z from "zod";

// What the link and its process say to each other. The parent believes nothing: the process runs a foreign SDK on what strangers send.

/** Bounds, in UTF-16 units. */
const longestValue = 4 * 1024 * 1024;
/** An answer that is longer is cut off by the process and counts as hostile: the longest signature allowed has 131,074. */
export const longestAnswer = 256 * 1024;
/** A description of a session: a wallet may name many accounts. */
const mostNames = 500;

const topic = z.string().regex(/^[0-9a-f]{64}$/);
const call = z.int().min(0);
const wireId = z.int().min(1);
const why = z.string().max(400);
const name = z.string().max(256);
const names = z.array(name).max(mostNames);
const chainId = z.int().min(1);

/** A session as the wallet approved it. */
const rawSessionSchema = z.strictObject({
  topic,
  pairingTopic: z.string().max(64),
  expiry: z.int().min(0),
  namespaces: z.record(
    z.string().max(64),
    z.strictObject({ accounts: names, methods: names, events: names, chains: names }),
  ),
  name,
  url: z.string().max(1024),
  properties: z.record(name, z.string().max(4096)),
});

export const toLinkSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("open"),
    relayUrl: z.url({ protocol: /^wss?$/ }),
    projectId: z.string().max(64),
    metadata: z.strictObject({
      name,
      description: z.string().max(1024),
      url: z.string().max(1024),
      icons: names,
    }),
    /** Pairing topics of proposals that somebody waits for; all others are cleared away. */
    proposals: z.array(topic),
    /** Requests without an outcome: their answers are expected. */
    requests: z.array(wireId),
    /** Sessions that were ended here while the relay did not listen. */
    ended: z.array(topic),
  }),
  /** The answer to `store`; pairs for `entries`, and for `keys` with empty values. */
  z.strictObject({
    type: z.literal("stored"),
    call,
    value: z.string().max(longestValue).nullable(),
    pairs: z.array(z.tuple([z.string(), z.string()])),
  }),
  z.strictObject({ type: z.literal("connect"), call, chains: names, methods: names, events: names }),
  z.strictObject({ type: z.literal("cancel"), pairingTopic: topic }),
  z.strictObject({
    type: z.literal("request"),
    call,
    wireId,
    topic,
    chainId,
    method: name,
    /** JSON. */
    params: z.string().max(longestValue),
    /** Seconds that it may be kept, and when it is over (unix seconds). */
    seconds: z.int().min(1),
    expiresAt: z.int().min(1),
  }),
  /** The answer of this request is recorded: the process need not keep it. */
  z.strictObject({ type: z.literal("recorded"), topic, wireId }),
  z.strictObject({ type: z.literal("disconnect"), call, topic }),
  /** `expiry`: unix seconds, if the wallet agrees. */
  z.strictObject({ type: z.literal("extend"), wireId, topic, expiry: z.int().min(1) }),
  z.strictObject({ type: z.literal("stop") }),
]);

export const fromLinkSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("booted") }),
  z.strictObject({
    type: z.literal("store"),
    call,
    do: z.enum(["get", "set", "delete", "keys", "entries"]),
    key: z.string().max(256),
    value: z.string().max(longestValue),
  }),
  z.strictObject({ type: z.literal("ready"), sessions: z.array(rawSessionSchema).max(mostNames) }),
  z.strictObject({ type: z.literal("relay"), state: z.enum(["up", "down"]) }),
  /** What lay at the relay when this connection began has come. */
  z.strictObject({ type: z.literal("caughtUp") }),
  z.strictObject({ type: z.literal("proposed"), call, uri: z.string().max(1024), pairingTopic: topic }),
  z.strictObject({ type: z.literal("done"), call }),
  z.strictObject({ type: z.literal("failed"), call, why }),
  z.strictObject({ type: z.literal("session"), session: rawSessionSchema }),
  z.strictObject({ type: z.literal("ended"), topic, why: z.enum(["wallet", "expired"]) }),
  z.strictObject({ type: z.literal("proposalRejected"), pairingTopic: topic, code: z.int(), message: why }),
  z.strictObject({ type: z.literal("proposalExpired"), pairingTopic: topic }),
  z.strictObject({
    type: z.literal("answer"),
    topic,
    wireId,
    /** JSON; null: it was longer than `longestAnswer`. */
    result: z.string().max(longestAnswer).nullable(),
  }),
  z.strictObject({ type: z.literal("refusal"), topic, wireId, code: z.int(), message: why }),
  z.strictObject({ type: z.literal("announced"), topic, name, data: z.string().max(16_384) }),
  /** The process ends after this. `refused`: the relay does not let us in. */
  z.strictObject({ type: z.literal("fatal"), refused: z.boolean(), why }),
  /** Something in the process tried to reach for something other than the relay, and did not get through. */
  z.strictObject({ type: z.literal("breach"), what: why }),
]);

export type ToLink = z.infer<typeof toLinkSchema>;
export type FromLink = z.infer<typeof fromLinkSchema>;
export type RawSession = z.infer<typeof rawSessionSchema>;
export type OpenLink = Extract<ToLink, { type: "open" }>;
