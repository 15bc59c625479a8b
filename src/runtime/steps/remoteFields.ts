import { canonicalize } from "../../core/canonical.ts";
import { tokensDigest, type RecordFields } from "../../core/decision.ts";
import { sha256Hex } from "../../core/hash.ts";
import type { Inference } from "../../core/inference.ts";
import { inferencesOf, type Thought } from "../deliberation.ts";

/**
 * The fields by which an inference differs for which others were asked than one model of our own: engines that broke before, a
 * second server, what a server claims, and no digest of tokens that it did not tell.
 */
export function remoteFields(inference: Inference): RecordFields {
  const { fallback, hedge } = inference;
  return {
    ...(fallback ? { "inference.fallback": fallback } : {}),
    ...(hedge ? { "inference.hedge": hedge } : {}),
    ...claimedFields(inference),
  };
}

function claimedFields({ outputTokens, prompt, promptTokens, remote }: Inference): RecordFields {
  if (!remote) return {};
  const { tellsTokens, usage } = remote;
  return {
    "inference.remote": remote,
    "prompt.jsonSchema": prompt.jsonSchema === undefined ? null : sha256Hex(canonicalize(prompt.jsonSchema)),
    "prompt.tokens": tellsTokens.prompt ? tokensDigest(promptTokens) : null,
    "prompt.tokenCount": tellsTokens.prompt ? promptTokens.length : usage.promptTokens,
    "output.tokens": tellsTokens.output ? tokensDigest(outputTokens) : null,
    "output.tokenCount": tellsTokens.output ? outputTokens.length : usage.outputTokens,
  };
}

/** A decision is as verifiable as the least of its inferences. */
export const unverifiableFields = (thought: Thought): RecordFields =>
  inferencesOf(thought).some(({ mode }) => mode === "remote")
    ? { "inference.unverifiable": "a server was asked: what ran there is its word alone" }
    : {};
