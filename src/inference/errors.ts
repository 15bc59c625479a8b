import { BaseError } from "../core/errors.ts";

/** The file is not the one that was asked for. Nothing of it was loaded. */
export class ModelHashMismatchError extends BaseError {
  override readonly name = "ModelHashMismatchError";
  constructor(
    file: string,
    expected: string,
    actual: string,
    said?: { readonly by: string; readonly remedy: string },
  ) {
    super("The model file is not the one that was asked for: its sha256 differs.", {
      remedy:
        said?.remedy ??
        "Fetch the file again, or, when the change was intended, put the new sha256 into the agent's configuration.",
      facts: { file, expected, actual, "expected by": said?.by },
    });
  }
}

/** The file cannot be read, is no GGUF, or llama.cpp refuses it. */
export class ModelFileError extends BaseError {
  override readonly name = "ModelFileError";
  readonly why: string;
  constructor(why: string, facts: Readonly<Record<string, string>> = {}) {
    super(`The model file cannot be used: ${why}.`, {
      remedy:
        "Give the path of one whole GGUF file (not a split one) and compare its size and sha256 with its source.",
      facts,
    });
    this.why = why;
  }
}

/** The model or its context does not fit into memory. */
export class ModelTooLargeError extends BaseError {
  override readonly name = "ModelTooLargeError";
  constructor(facts: Readonly<Record<string, string>> = {}) {
    super("The model with this context does not fit into the free memory.", {
      remedy: "Take a smaller context or a smaller quantisation, or free memory.",
      facts,
      retry: "ask",
    });
  }
}

/** A GPU was required, and there is none that can be used for this model. Nothing runs on the CPU instead. */
export class GpuUnavailableError extends BaseError {
  override readonly name = "GpuUnavailableError";
  constructor(why: string, facts: Readonly<Record<string, string>> = {}) {
    super(`The model can't run on a GPU here: ${why}.`, {
      remedy:
        "Look at the driver (nvidia-smi, vulkaninfo) and the free memory of the GPU, take a smaller model or context, or leave the option `gpu` out.",
      facts,
    });
  }
}

/** The CPU variant of llama.cpp that was asked for is not to be had here. */
export class CpuVariantError extends BaseError {
  override readonly name = "CpuVariantError";
  constructor(variant: string) {
    super(
      `llama.cpp's CPU variant "${variant}" can't be used: this processor can't run it, or there is none of that name.`,
      {
        remedy:
          'Set cpuVariant to "best" for the fastest one here, or to "pinned" for the one that most machines can run again.',
        facts: { variant },
      },
    );
  }
}

/** More is waiting than the engine takes, or it waited too long. Nothing was evaluated. */
export class EngineBusyError extends BaseError {
  override readonly name = "EngineBusyError";
  constructor(why: string, facts: Readonly<Record<string, number>>) {
    super(`The model is busy: ${why}.`, {
      remedy: "Ask again later, ask for less at once, or open the engine with more sequences.",
      facts,
      retry: "safe",
    });
  }
}

/** Prompt, thought and answer do not fit together. Found before anything was evaluated; nothing is ever cut off silently. */
export class PromptTooLongError extends BaseError {
  override readonly name = "PromptTooLongError";
  /** All in tokens. `thoughtTokens`: the thought's budget and what is put behind it. */
  constructor(tokens: number, maxTokens: number, contextSize: number, thoughtTokens = 0) {
    const budget = contextSize - maxTokens - thoughtTokens;
    super("The prompt is too long for the context.", {
      remedy:
        budget > 0
          ? `Shorten the prompt by ${tokens - budget} tokens (the engine measures prompts), ask for fewer tokens, or open the engine with a larger context.`
          : "Thought and answer alone fill the context: ask for fewer tokens, or open the engine with a larger context.",
      facts: { tokens, budget, maxTokens, ...(thoughtTokens > 0 && { thoughtTokens }), contextSize },
    });
  }
}

/** The caller asked for something no run can be made of. */
export class InvalidRequestError extends BaseError {
  override readonly name = "InvalidRequestError";
  constructor(why: string, facts: Readonly<Record<string, string | number>> = {}) {
    super(`The inference cannot be asked for like this: ${why}.`, {
      remedy: "Correct the prompt, the grammar, the sampling or the option named here.",
      facts,
    });
  }
}

export type Phase = "start" | "hashing" | "loading" | "prefill" | "generation";

/** A phase took longer than its deadline. The worker was stopped or replaced, the same call may be made again. */
export class InferenceTimeoutError extends BaseError {
  override readonly name = "InferenceTimeoutError";
  constructor(phase: Phase, deadlineMs: number | undefined, cause?: unknown) {
    super(`The model took too long (${phase}).`, {
      remedy: "Try again, shorten the prompt, or give the engine longer deadlines.",
      facts: { phase, deadlineMs },
      retry: "safe",
      cause,
    });
  }
}

/** The caller's own signal stopped the call. */
export class InferenceAbortedError extends BaseError {
  override readonly name = "InferenceAbortedError";
  constructor(phase: Phase | "queue", cause: unknown) {
    super(`The inference was aborted by its caller (${phase}).`, { facts: { phase }, retry: "safe", cause });
  }
}

/** The worker process died: a native fault, or the kernel took its memory. This process is unharmed. */
export class InferenceCrashedError extends BaseError {
  override readonly name = "InferenceCrashedError";
  constructor(phase: Phase, how: string, lastOutput: string) {
    super(`The process that runs the model died (${how}).`, {
      remedy: "Try again; the next call starts a new one. SIGKILL usually means that memory ran out.",
      facts: { phase, lastOutput: lastOutput || undefined },
      retry: "safe",
    });
  }
}

/** The worker failed too often in a row, or came back as something else. The engine takes no more calls. */
export class ModelUnusableError extends BaseError {
  override readonly name = "ModelUnusableError";
  constructor(why: string, cause?: unknown) {
    super(`The model is unusable: ${why}.`, {
      remedy: "Check the free memory and the model file, then open a new engine.",
      cause,
    });
  }
}

/** The engine was closed, before the call or while it ran. */
export class EngineClosedError extends BaseError {
  override readonly name = "EngineClosedError";
  constructor() {
    super("The engine is closed.", { remedy: "Open a new engine." });
  }
}
