import type { Json, JsonObject } from "./json.ts";
import type { Trigger } from "./trigger.ts";

/** An effect that has begun and has no recorded result: run again after a crash, so it is safe to repeat. */
export type Effect = { readonly id: string; readonly source: string };

/** A machine at rest, plain JSON, and which one wrote it (`id@version`). */
export type Resting = { readonly machine: string; readonly snapshot: JsonObject };

/** How a decision begins: its id follows from its trigger, so that beginning twice is beginning once. */
export type Beginning = Resting & { readonly id: string; readonly effects: readonly Effect[] };

/** A decision that is under way, with everything that it takes to carry it on. */
export type Underway = Beginning & {
  readonly trigger: Trigger;
  /** What its steps handed on so far. */
  readonly outputs: ReadonlyMap<string, Json>;
  /** It was begun just now. */
  readonly fresh: boolean;
};

/** What one effect came to. */
export type Result = {
  readonly effect: string;
  readonly value: Json;
  /** Its line in the audit log. */
  readonly entry: { readonly kind: string; readonly body: JsonObject };
  /** Further rows of the same write. */
  readonly rows?: (() => void) | undefined;
};

/** Where a decision stands after an event: the effects are those that follow. */
export type Applied = Resting & { readonly done: boolean; readonly effects: readonly Effect[] };

/**
 * When a write is safe from a power cut. `now`: before anybody is told of it. `soon`: with the next one that is; until then it may be
 * lost, alone, with nothing after it, so only what may be done a second time is written like that. A kill loses neither.
 */
export type Sure = "now" | "soon";

/**
 * What an engine has to provide so that decisions survive it; everything else is the corridor's. One agent is one nonce lane: a host
 * runs one decision of it at a time, and holds nothing of it between two calls.
 *
 * Triggers come in durably, by their dedupe ids, before `take` gives them (`src/journal/triggers.ts`).
 */
export type DurableHost = {
  /**
   * The agent's decision that is under way; else a new one of the trigger whose turn it is.
   *
   * @param atMs unix milliseconds: triggers that are not due yet are left alone
   * @returns undefined when there is nothing to do, or only the operator may go on with it
   */
  take(agent: string, begin: (trigger: Trigger) => Beginning, atMs: number): Promise<Underway | undefined>;

  /**
   * The one atomic write: results, their rows and their lines in the audit log, the machine's next snapshot, the effects that are
   * done with and those that follow. All of it or nothing, and durable as far as `sure` says when it resolves.
   *
   * @param work synchronous and pure but for what it records: it is called inside the write, perhaps more than once
   */
  apply(
    decision: Pick<Underway, "id"> & { readonly agent: string },
    sure: Sure,
    work: (record: (result: Result) => void) => Applied,
  ): Promise<Applied>;
};
