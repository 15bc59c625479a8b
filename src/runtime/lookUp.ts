import type { Address, Hex } from "viem";

import { mostToolCharacters, type Desk, type Reach, type ToolDeclaration } from "../core/agent.ts";
import { canonicalize } from "../core/canonical.ts";
import { sentenceOf } from "../core/errors.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { Observation } from "../core/observation.ts";
import { ask, type Chain } from "../chain/connectChain.ts";
import { RpcUnreachableError } from "../chain/errors.ts";
import type { LookUp } from "./deliberation.ts";
import type { House } from "./house.ts";

/** How long one look-up may take, in milliseconds. */
const deadlineMs = 15_000;

/**
 * Runs a tool for the model. Whatever it throws, a wrong answer and its deadline included, is told to the model and recorded; only
 * our own RPC being away ends the attempt, so that it is made again when the RPC is back.
 *
 * @throws RpcUnreachableError · the reason of `signal` when it aborts
 */
export async function lookUp(
  { chain }: Pick<House, "chain">,
  declared: ToolDeclaration,
  { input, name }: { readonly name: string; readonly input: JsonObject },
  on: { readonly desk: Desk; readonly observation: Observation; readonly signal: AbortSignal },
): Promise<LookUp> {
  const late = AbortSignal.timeout(deadlineMs);
  const signal = AbortSignal.any([late, on.signal]);
  const reach: Reach = { desk: on.desk, signal, call: (call) => callAt(chain, on.observation, call) };
  const told = (result: Json, failed: boolean): LookUp => ({
    tool: name,
    input,
    // What went wrong may hold anybody's words.
    provenance: failed ? "untrusted" : declared.provenance,
    result,
    failed,
  });
  try {
    const answer = await Promise.race([
      declared.run(declared.input.strict().parse(input) as never, reach),
      aborted(signal),
    ]);
    const text = canonicalize(answer);
    if (text.length > mostToolCharacters)
      return told(`${name} answered with ${text.length} characters, more than ${mostToolCharacters}.`, true);
    return told(JSON.parse(text) as Json, false);
  } catch (error) {
    if (on.signal.aborted) throw on.signal.reason;
    if (error instanceof RpcUnreachableError) throw error;
    if (late.aborted) return told(`${name} did not answer within ${deadlineMs / 1000} seconds.`, true);
    return told(`${name} failed: ${sentenceOf(error)}`, true);
  }
}

/** By the block's hash (EIP-1898): a block of the same number on another branch would be another world. */
function callAt(
  chain: Chain,
  { blockHash }: Observation,
  { data, to }: { readonly to: Address; readonly data: Hex },
): Promise<Hex> {
  return ask(chain, () =>
    chain.client.request({ method: "eth_call", params: [{ to, data }, { blockHash }] }),
  );
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const end = () => reject(signal.reason as Error);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
