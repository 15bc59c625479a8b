import type { Phase } from "./errors.ts";
import {
  CpuVariantError,
  GpuUnavailableError,
  InferenceAbortedError,
  InferenceTimeoutError,
  InvalidRequestError,
  ModelFileError,
  ModelHashMismatchError,
  ModelTooLargeError,
  PromptTooLongError,
} from "./errors.ts";
import type { Failure } from "./messages.ts";

/** What the worker says went wrong, as the error its caller gets. */
export function toError({ code, facts, message }: Failure, file: string): Error {
  switch (code) {
    case "hash":
      return new ModelHashMismatchError(file, facts["expected"] ?? "", facts["actual"] ?? "");
    case "file":
      return new ModelFileError(message, { file, ...facts });
    case "gpu":
      return new GpuUnavailableError(message, { file, ...facts });
    case "memory":
      return new ModelTooLargeError({ file, ...facts });
    case "variant":
      return new CpuVariantError(facts["variant"] ?? "");
    case "promptTooLong":
      return new PromptTooLongError(
        Number(facts["tokens"]),
        Number(facts["maxTokens"]),
        Number(facts["contextSize"]),
        Number(facts["thoughtTokens"] ?? 0),
      );
    case "request":
      return new InvalidRequestError(message, facts);
    case "cancelled":
      return new InferenceAbortedError("generation", undefined);
  }
}

/** What a caller gets whose signal ended its call. */
export function aborted(phase: Phase | "queue", signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  // `AbortSignal.timeout` is the caller's own deadline: the same error as for the engine's.
  if (reason instanceof Error && reason.name === "TimeoutError" && phase !== "queue")
    return new InferenceTimeoutError(phase, undefined, reason);
  return new InferenceAbortedError(phase, reason);
}
