import type { Hex } from "viem";

import { canonicalize, parseCanonical } from "../core/canonical.ts";
import { appendEntry } from "./entries.ts";
import { noteOf, notesUnder, setNote } from "./notes.ts";
import type { JournalDatabase } from "./openJournal.ts";

const prefix = "lane:";

/** A nonce lane that somebody else used, or was seen to be used without an operation. */
export type LaneAlarm = {
  readonly agent: string;
  /** `account/agent key`, lower case. */
  readonly lane: string;
  /** First nonce that is free again, the whole 256-bit number. */
  readonly next: Hex;
  /** The operation that used a nonce of the lane and is not in this journal; null: the nonce is used and no operation tells how. */
  readonly foreign: { readonly userOpHash: Hex; readonly transaction: Hex } | null;
  /** The chain's newest block when it was seen; none in journals of before. */
  readonly seenAt?: string;
};

/** `held`: nothing is signed in this lane. `released`: the operator has looked, and the nonces below `next` are accounted for. */
export type LaneState = LaneAlarm & { readonly state: "held" | "released" };

export function laneStateOf(database: Pick<JournalDatabase, "get">, lane: string): LaneState | undefined {
  const value = noteOf(database, `${prefix}${lane}`);
  return value === undefined ? undefined : (parseCanonical(value) as unknown as LaneState);
}

/** Lanes in which nothing is signed before the operator releases them. */
export const heldLanes = (database: Pick<JournalDatabase, "all">): readonly LaneState[] =>
  notesUnder(database, prefix)
    .map(({ value }) => parseCanonical(value) as unknown as LaneState)
    .filter(({ state }) => state === "held");

/** Stops a lane, durably, and writes the alarm into the audit log. */
export function holdLane(database: JournalDatabase, alarm: LaneAlarm): void {
  database.atomically(() => {
    put(database, { ...alarm, state: "held" });
    const { agent, foreign, lane, next } = alarm;
    appendEntry(database, agent, "alarm", { lane, next, foreign });
  });
}

/** The operator has looked at the chain: the lane goes on behind what was found there. */
export function releaseLane(database: JournalDatabase, lane: string): void {
  database.atomically(() => {
    const held = laneStateOf(database, lane);
    if (held?.state !== "held") return;
    put(database, { ...held, state: "released" });
    appendEntry(database, held.agent, "released", { lane, next: held.next });
  });
}

const put = (database: JournalDatabase, state: LaneState): void =>
  setNote(database, `${prefix}${state.lane}`, canonicalize(state));
