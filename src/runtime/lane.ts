import { numberToHex, type Hex } from "viem";

import { ask, finalBlock } from "../chain/connectChain.ts";
import { nonceIn, sequenceOf } from "../chain/findReceipt.ts";
import { recover } from "../chain/recovery.ts";
import { laneOf } from "../chain/signOperation.ts";
import { BaseError } from "../core/errors.ts";
import { holdLane, laneStateOf, type LaneAlarm } from "../journal/lanes.ts";
import { nextNonceIn } from "../journal/operations.ts";
import type { House } from "./house.ts";

/** Somebody else used the agent's nonces: nothing is signed any more before the operator has looked. */
export class LaneHeldError extends BaseError {
  override readonly name = "LaneHeldError";
  constructor({ account, chain, policy }: Pick<House, "account" | "chain" | "policy">, alarm: LaneAlarm) {
    super(
      alarm.foreign
        ? "Somebody else used this agent's nonce: an operation that this journal never signed is on the chain."
        : "This agent's nonces were used, and not by operations that this journal signed.",
      {
        remedy: `Nothing is signed any more. If it was not you, another holds the agent's key: stop every agent of the account now with \`bursar freeze --account ${account} --chain ${chain.chainId} --rpc URL --keystore FILE\` (a guardian's or the owner's key), then revoke the policy and use a new agent key. When you have seen what was done, and it was yours, or the key is used no more: \`bursar journal release lane:${alarm.lane} --state DIR\`.`,
        facts: {
          agent: policy.agent,
          "foreign operation": alarm.foreign?.userOpHash,
          transaction: alarm.foreign?.transaction,
          lane: alarm.lane,
          "next nonce": sequenceOf(BigInt(alarm.next)),
        },
        retry: "ask",
      },
    );
  }
}

/** The node does not know an operation that it called final before. */
export class ChainBehindError extends BaseError {
  override readonly name = "ChainBehindError";
  constructor(facts: Readonly<Record<string, string | bigint>>) {
    super("The chain knows fewer operations of this agent than were final before.", {
      remedy:
        "Nothing is signed meanwhile. A node that lags catches up. If it stays like this, the chain was reorganised deeper than the configured finality: run `bursar verify` to see which payments are gone, and configure a deeper one.",
      facts,
      retry: "safe",
    });
  }
}

/** What looking after a lane takes. */
type LaneHouse = Pick<House, "account" | "agent" | "chain" | "journal" | "policy">;

/** One lane per account and agent key: the journal's name for it. */
export const laneName = ({ account, policy }: Pick<House, "account" | "policy">): string =>
  `${account.toLowerCase()}/${policy.agent.toLowerCase()}`;

/** @throws LaneHeldError */
export function requireFreeLane(house: Pick<House, "account" | "chain" | "journal" | "policy">): void {
  const state = laneStateOf(house.journal, laneName(house));
  if (state?.state === "held") throw new LaneHeldError(house, state);
}

/**
 * Holds the lane, durably, with an alarm in the audit log.
 *
 * @param next the chain's next nonce of the lane, the whole 256-bit number
 */
export async function holdOwnLane(
  house: LaneHouse,
  next: bigint,
  foreign: LaneAlarm["foreign"],
): Promise<LaneHeldError> {
  const { number } = await ask(house.chain, () => house.chain.client.getBlock({ blockTag: "latest" }));
  const alarm: LaneAlarm = {
    agent: house.agent.name,
    lane: laneName(house),
    next: nonceHex(next),
    foreign,
    seenAt: number.toString(),
  };
  holdLane(house.journal, alarm);
  return new LaneHeldError(house, alarm);
}

/** Has the operator ever released the lane? Then the journal does not know of all that was signed in it. */
export const wasReleased = (house: Pick<House, "account" | "journal" | "policy">): boolean =>
  laneStateOf(house.journal, laneName(house))?.state === "released";

/** Has the operator looked at who used this nonce? */
export function isReleased(house: House, nonce: Hex): boolean {
  const state = laneStateOf(house.journal, laneName(house));
  return state?.state === "released" && BigInt(state.next) > BigInt(nonce);
}

/**
 * The nonce that the lane's next operation has, as far as the journal knows, the whole 256-bit number: behind the last one that was
 * spent, ours or released, and again the one of an operation that expired.
 */
export function ownNextNonce({
  account,
  journal,
  policy,
}: Pick<House, "account" | "journal" | "policy">): bigint {
  const lane = laneName({ account, policy });
  const own = nextNonceIn(journal, lane) ?? laneOf(policy.agent) << 64n;
  const state = laneStateOf(journal, lane);
  const released = state?.state === "released" ? BigInt(state.next) : 0n;
  return released > own ? released : own;
}

/**
 * Before anything is decided: nobody but this journal has used the lane.
 *
 * @param next the chain's next nonce of the lane
 * @throws LaneHeldError · ChainBehindError
 */
export async function requireOwnLane(house: LaneHouse, next: bigint): Promise<void> {
  requireFreeLane(house);
  const own = ownNextNonce(house);
  if (await isUndone(house, next)) return;
  const { row } = recover({
    journal: "unsigned",
    sequence: sequenceOf(own),
    next: { latest: sequenceOf(next), final: null },
    event: null,
    late: false,
    silent: false,
    released: false,
  });
  if (row === "foreign") throw await holdOwnLane(house, next, null);
  if (row === "behind")
    throw new ChainBehindError({
      "next nonce on chain": sequenceOf(next),
      "in the journal": sequenceOf(own),
    });
}

/**
 * Did what the operator had looked at leave the chain again, for good? Then the lane goes on at the nonce that it used. Until the
 * final blocks reach where it was seen, the node may only lag.
 */
async function isUndone(house: LaneHouse, next: bigint): Promise<boolean> {
  const { account, chain, journal, policy } = house;
  const lane = laneName(house);
  const state = laneStateOf(journal, lane);
  const own = nextNonceIn(journal, lane) ?? laneOf(policy.agent) << 64n;
  if (state?.state !== "released" || next < own || next >= BigInt(state.next)) return false;
  const final = await finalBlock(chain);
  if (final.number < 0n || final.number < BigInt(state.seenAt ?? 0)) return false;
  const { number: blockNumber } = final;
  return next === (await nonceIn(chain, account, laneOf(policy.agent), blockNumber));
}

const nonceHex = (nonce: bigint): Hex => numberToHex(nonce, { size: 32 });
