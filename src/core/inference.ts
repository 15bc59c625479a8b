import type { Hex } from "viem";

/** One message of a chat prompt, before the model's own template renders it. */
export type ChatMessage = { readonly role: "system" | "user" | "assistant"; readonly content: string };

/** What the model sees, and how much it may answer. Pure data: the same Prompt renders to the same token ids. */
export type Prompt = {
  readonly messages: readonly ChatMessage[];
  /** GBNF text (llama.cpp grammars) the output must follow; null = free text. */
  readonly grammar: string | null;
  /** Most tokens the model may write. */
  readonly maxTokens: number;
};

/**
 * How the next token is chosen. Greedy has nothing to choose; sampled carries a derived seed, never a drawn one.
 * Fixed-point integers, because records hold no floats.
 */
export type Sampling =
  | { readonly kind: "greedy" }
  | {
      readonly kind: "sampled";
      /** Temperature in thousandths. */
      readonly temperatureMilli: number;
      readonly topK: number;
      /** Nucleus in thousandths. */
      readonly topPMilli: number;
      /** First four bytes of sha256(previous leaf ‖ index), as a uint32. */
      readonly seed: number;
    };

/**
 * canonical: byte-exact on CPU (greedy, flash attention off, pinned shapes); a stranger re-executes it.
 * fast: GPU or flash attention; a stranger re-checks it within a tolerance.
 * scripted: no model at all (tests).
 */
export type InferenceMode = "canonical" | "fast" | "scripted";

/** The model file as it was loaded. Identified by its hash, never by its name. */
export type ModelIdentity = {
  readonly file: string;
  readonly sha256: Hex;
  readonly sizeBytes: number;
  readonly architecture: string;
  readonly quantization: string;
  readonly parameters: number;
  /** Context the file declares, in tokens. */
  readonly contextLength: number;
  /** sha256 of the chat template's text, or null when the file carries none. */
  readonly templateSha256: Hex | null;
  /** sha256 over the tokenizer's metadata (vocabulary, merges, special ids). */
  readonly tokenizerSha256: Hex;
};

/** The program that ran the model: what a re-execution must equal to be byte-exact. */
export type RuntimeIdentity = {
  /** Binding and version, e.g. `node-llama-cpp@3.22.1`. */
  readonly binding: string;
  /** llama.cpp release, e.g. `v0.5.0`. */
  readonly llamaCpp: string;
  /** `cpu`, `cuda`, `vulkan`, `metal`, or `none` for a scripted engine. */
  readonly backend: string;
  readonly devices: readonly string[];
  /** Native libraries that compute (for example the CPU variant chosen at run time), with their hashes. */
  readonly libraries: readonly { readonly name: string; readonly sha256: Hex }[];
  /** Operating system and processor architecture, e.g. `linux-x64`. */
  readonly platform: string;
};

/** Everything else that changes the arithmetic. */
export type EngineSettings = {
  readonly contextSize: number;
  readonly batchSize: number;
  readonly threads: number;
  readonly flashAttention: boolean;
  readonly gpuLayers: number;
  readonly sequences: number;
};

/**
 * What the model thought in between: the largest logits after some tokens of the prompt, which no other model, quantisation or
 * prompt gives. Positions are counted back from the prompt's last tokens, `every` tokens apart.
 */
export type Fingerprints = {
  readonly every: number;
  readonly rows: readonly FingerprintRow[];
};

export type FingerprintRow = {
  /** Index of the prompt token after which they were computed. */
  readonly at: number;
  /** The likeliest next tokens, the likeliest first. */
  readonly tokens: readonly number[];
  /** Their logits in thousandths, rounded. */
  readonly logitsMilli: readonly number[];
};

/** How far from the record another program may be and still count as consistent with it (`bursar model calibrate`). */
export type Tolerance = {
  /** Most that a recorded token's logit may lie below the best one, in thousandths. */
  readonly marginMilli: number;
  /** Most that a logit of a fingerprint may differ, in thousandths. */
  readonly fingerprintMilli: number;
  /** Most output tokens that may be another than the best one, of a thousand; one is always allowed. */
  readonly flipsPermille: number;
};

export type StopReason = "end" | "maxTokens" | "grammar";

/** One run of the model, complete enough for a stranger to run it again. */
export type Inference = {
  readonly mode: InferenceMode;
  readonly model: ModelIdentity;
  readonly runtime: RuntimeIdentity;
  readonly settings: EngineSettings;
  readonly sampling: Sampling;
  readonly prompt: Prompt;
  /** The rendered prompt, as the model read it. */
  readonly promptTokens: readonly number[];
  readonly outputTokens: readonly number[];
  readonly text: string;
  readonly stopReason: StopReason;
  readonly fingerprints: Fingerprints;
  /** Wall-clock milliseconds, rounded. Told, not committed: another machine has others. */
  readonly timing: { readonly prefillMs: number; readonly generationMs: number };
};

/** EXACT: same tokens. MISMATCH: the first token that differs. */
export type ReExecution =
  | { readonly verdict: "EXACT"; readonly tokens: number }
  | {
      readonly verdict: "MISMATCH";
      readonly tokens: number;
      readonly firstDivergence: {
        readonly index: number;
        readonly recorded: number | null;
        readonly actual: number | null;
      };
      readonly why: string;
      /** The program or mode here is another one than the record names, so equal bytes were not to be expected. */
      readonly otherProgram: boolean;
    };

/**
 * What a single pass over the recorded tokens comes to. CONSISTENT: every token is (nearly) the one that this model would have
 * written here, and it thought (nearly) the same on the way. It does not promise equal bytes, and needs none.
 */
export type ReCheck = {
  readonly verdict: "CONSISTENT" | "MISMATCH";
  readonly tokens: number;
  /** Output tokens that are not the best ones here. */
  readonly flips: number;
  /** How far the worst of them lies below the best one, in thousandths of a logit. */
  readonly worstMarginMilli: number;
  /** Largest difference in a fingerprint, in thousandths of a logit; null: the record has none. */
  readonly worstFingerprintMilli: number | null;
  readonly tolerance: Tolerance;
  readonly firstDivergence?: {
    readonly index: number;
    readonly recorded: number | null;
    readonly actual: number | null;
    readonly marginMilli: number;
  };
  /** Why it is a MISMATCH. */
  readonly why?: string;
};

/** What thinks. One implementation wraps llama.cpp, one is scripted. */
export type InferenceEngine = {
  readonly mode: InferenceMode;
  readonly model: ModelIdentity;
  readonly runtime: RuntimeIdentity;
  readonly settings: EngineSettings;
  infer(prompt: Prompt, sampling: Sampling, options?: { readonly signal?: AbortSignal }): Promise<Inference>;
  /** Runs a recorded inference again from its prompt token ids and compares the output token ids. */
  reExecute(inference: Inference, options?: { readonly signal?: AbortSignal }): Promise<ReExecution>;
  /** Evaluates recorded prompt and output in one pass and looks whether this model agrees within a tolerance. */
  reCheck(
    inference: Inference,
    tolerance: Tolerance,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ReCheck>;
  close(): Promise<void>;
};
