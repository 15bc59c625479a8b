import type { Hex } from "viem";

import type { JsonObject } from "./json.ts";

/** One message of a chat prompt, before the model's own template renders it. */
export type ChatMessage = { readonly role: "system" | "user" | "assistant"; readonly content: string };

/** What the model sees, and how much it may answer. Pure data: the same Prompt renders to the same token ids. */
export type Prompt = {
  readonly messages: readonly ChatMessage[];
  /** GBNF text (llama.cpp grammars) the output must follow; null = free text. */
  readonly grammar: string | null;
  /**
   * JSON Schema of (at least) the same answers, for servers that take no grammar. The grammar counts where both are there, and
   * engines that take it never read this.
   */
  readonly jsonSchema?: JsonObject;
  /** Most tokens of the answer. */
  readonly maxTokens: number;
  /**
   * The model may think before it answers, in this many tokens; then its thought is closed for it. The grammar begins at the
   * answer. Absent: it may not, and where its template has a switch for that, the rendered prompt says so.
   */
  readonly thought?: { readonly maxTokens: number };
  /** Ways in which the answer may begin; the record then says how likely the model found each of them. */
  readonly options?: readonly string[];
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
 * remote: a server that is asked over HTTP. Which model answers, and whether it does what it was asked to, is the server's word:
 * nobody can check such a record, and everything that shows it says so.
 * scripted: no model at all (tests).
 */
export type InferenceMode = "canonical" | "fast" | "remote" | "scripted";

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

/** What a server calls its model. There is no file here that could be hashed, so there is no hash. */
export type ClaimedModel = {
  /** The name that the server answers to. */
  readonly file: string;
  readonly sha256: null;
};

/** How far a server was asked to hold its model to the prompt's form. What it made of that, it alone knows. */
export type RemoteConstraint =
  | { readonly kind: "grammar" | "schema" | "none" }
  /** The prompt has a grammar which this server can't be given: the answer may have any form. */
  | { readonly kind: "not enforced"; readonly why: string };

/** One run on somebody's server: what was asked, and what the server says it did. Recorded, and proof of nothing. */
export type RemoteRun = {
  /** Dialect in which it was asked (`src/inference/remote/profiles.ts`). */
  readonly profile: string;
  /** Where, without anything secret. */
  readonly url: string;
  readonly askedModel: string;
  readonly constraint: RemoteConstraint;
  /** What else the server says of itself and its model: its build, its context, a digest. Names are ours, values are its own. */
  readonly claims: Readonly<Record<string, string>>;
  /** null: it did not say. */
  readonly usage: {
    readonly promptTokens: number | null;
    readonly cachedTokens: number | null;
    readonly outputTokens: number | null;
  };
  /** Whether the token ids of the record are the server's; else the lists are empty. */
  readonly tellsTokens: { readonly prompt: boolean; readonly output: boolean };
  /** Logarithms of the chosen tokens' probabilities in thousandths, as told; null: it tells none. */
  readonly logprobsMilli: readonly number[] | null;
};

/** The program that ran the model: what a re-execution must equal to be byte-exact. Of a remote: the profile, and its word. */
export type RuntimeIdentity = {
  /** Binding and version, e.g. `node-llama-cpp@3.22.1`. */
  readonly binding: string;
  /** llama.cpp release, e.g. `v0.5.0`. */
  readonly llamaCpp: string;
  /** `cpu`, `cuda`, `vulkan`, `metal`, `remote`, or `none` for a scripted engine. */
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
 * prompt gives. Positions are `every` tokens apart, counted back from the prompt's last tokens, or in fast mode from its first.
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

/** What the model wrote before its answer. Nothing ever acts on it. */
export type ThoughtSpan = {
  /** Without the marker that ends it. */
  readonly text: string;
  /** Output tokens that the model chose while it thought, its own end marker included. */
  readonly tokens: number;
  /** Output tokens behind them that were put there and not chosen: they lead to the answer, which begins after them. */
  readonly forced: number;
  /** model: it wrote its end marker. turn: it wanted to say nothing more at all. budget: it was cut off. */
  readonly end: "model" | "turn" | "budget";
};

/** How likely the model found one beginning of the answer, before any grammar or sampler had its say. */
export type OptionWeight = {
  readonly text: string;
  /** Natural logarithm of the probability of the option's tokens one after the other, in thousandths. At most 0. */
  readonly logMilli: number;
  /** The same among the options alone, in thousandths. Rounded one by one, so their sum may miss 1000. */
  readonly probabilityPermille: number;
};

/** How much of the context a prompt takes, in tokens. */
export type PromptMeasure = {
  readonly promptTokens: number;
  readonly contextSize: number;
  /** What is left beside prompt, thought and answer. Below 0: by so much the prompt is too long. */
  readonly roomTokens: number;
};

/** One run of the model, complete enough for a stranger to run it again. */
export type Inference = {
  readonly mode: InferenceMode;
  /** A hash where there is a file; a name where there is only a server. */
  readonly model: ModelIdentity | ClaimedModel;
  readonly runtime: RuntimeIdentity;
  /** null: a server's, which nobody here knows. */
  readonly settings: EngineSettings | null;
  readonly sampling: Sampling;
  readonly prompt: Prompt;
  /** The rendered prompt, as the model read it. */
  readonly promptTokens: readonly number[];
  /** Everything after the prompt: thought, what was put behind it, answer. */
  readonly outputTokens: readonly number[];
  /** The answer. */
  readonly text: string;
  readonly stopReason: StopReason;
  readonly fingerprints: Fingerprints;
  /** Where the prompt allows one. */
  readonly thought?: ThoughtSpan;
  /** Where the prompt names options, in its order. */
  readonly options?: readonly OptionWeight[];
  /** Wall-clock milliseconds, rounded. Told, not committed: another machine has others. */
  readonly timing: {
    readonly prefillMs: number;
    readonly generationMs: number;
    /** How long it waited for its turn. */
    readonly queueMs?: number;
    /** Tokens of the prompt that an earlier run had evaluated already (fast mode only). */
    readonly reusedTokens?: number;
  };
  /** Told, not committed. Absent where no driver tells, and when two inferences ran at once. */
  readonly energy?: CountedEnergy;
  /** There exactly when the mode is remote. */
  readonly remote?: RemoteRun;
  /** Engines that were asked before this one and broke, in order (`src/inference/ladder.ts`). */
  readonly fallback?: readonly BrokenEngine[];
  /** A second server was asked as well, because the first was late (`src/inference/hedge.ts`). */
  readonly hedge?: HedgedRun;
};

/** Energy that a driver counted while an inference ran: of the whole processor or card, whoever used it. */
export type CountedEnergy = { readonly millijoules: number; readonly source: string };

/** An engine that gave no answer, and why. */
export type BrokenEngine = {
  readonly engine: string;
  /** The error's name. */
  readonly error: string;
  /** How long it was waited for, in milliseconds. */
  readonly ms: number;
};

export type HedgedRun = {
  /** When the second one was asked, in milliseconds from the first: the p95 of the first one's answers by then. */
  readonly afterMs: number;
  readonly winner: "first" | "second";
  /** `aborted`, or the error with which it had broken before. Its cost is nowhere in this record. */
  readonly loser: string;
};

/** Nothing can be found out about this record here: a server's word is all there is, or all that the checker has. */
export type Unverifiable = {
  readonly verdict: "UNVERIFIABLE";
  readonly tokens: number;
  readonly why: string;
};

/** EXACT: same tokens. MISMATCH: the first token that differs. */
export type ReExecution =
  | { readonly verdict: "EXACT"; readonly tokens: number }
  | Unverifiable
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

/** What thinks: llama.cpp in a child process, a server, several of them in order, or a script. */
export type InferenceEngine = {
  readonly mode: InferenceMode;
  readonly model: ModelIdentity | ClaimedModel;
  readonly runtime: RuntimeIdentity;
  readonly settings: EngineSettings | null;
  infer(prompt: Prompt, sampling: Sampling, options?: { readonly signal?: AbortSignal }): Promise<Inference>;
  /** Renders a prompt and counts, without running the model: for whoever has to cut untrusted text until it fits. */
  measure(prompt: Prompt, options?: { readonly signal?: AbortSignal }): Promise<PromptMeasure>;
  /** Runs a recorded inference again from its prompt token ids and compares the output token ids. */
  reExecute(inference: Inference, options?: { readonly signal?: AbortSignal }): Promise<ReExecution>;
  /** Evaluates recorded prompt and output in one pass and looks whether this model agrees within a tolerance. */
  reCheck(
    inference: Inference,
    tolerance: Tolerance,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ReCheck | Unverifiable>;
  close(): Promise<void>;
};

/** A record of a model whose file was at hand. */
export type LocalInference = Inference & {
  readonly model: ModelIdentity;
  readonly settings: EngineSettings;
};

/** An engine that has the model's file: it can check what it, or another of its kind, has written down. */
export type LocalEngine = Omit<InferenceEngine, "infer" | "reCheck"> & {
  readonly mode: "canonical" | "fast";
  readonly model: ModelIdentity;
  readonly settings: EngineSettings;
  infer(
    prompt: Prompt,
    sampling: Sampling,
    options?: { readonly signal?: AbortSignal },
  ): Promise<LocalInference>;
  reCheck(
    inference: LocalInference,
    tolerance: Tolerance,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ReCheck>;
  reCheck(
    inference: Inference,
    tolerance: Tolerance,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ReCheck | Unverifiable>;
};
