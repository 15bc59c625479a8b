import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { BaseError } from "../core/errors.ts";
import type {
  Inference,
  LocalEngine,
  LocalInference,
  ReCheck,
  ReExecution,
  Tolerance,
} from "../core/inference.ts";
import { readCalibration } from "../inference/calibration.ts";
import { hashFile } from "../inference/hashFile.ts";
import { uncalibrated } from "../inference/compareOpinion.ts";
import { recordedVariant } from "../inference/cpuVariant.ts";
import { CpuVariantError, InvalidRequestError } from "../inference/errors.ts";
import { openEngine } from "../inference/openEngine.ts";
import { inferenceSchema } from "../inference/messages.ts";
import { decisionNumber, outputOf } from "../journal/decisions.ts";
import { openJournal } from "../journal/openJournal.ts";
import { bundledModel } from "./bundledModel.ts";
import type { Thought } from "./deliberation.ts";

/** There is no inference to check, or no model to check it with. */
export class InferenceRecordError extends BaseError {
  override readonly name = "InferenceRecordError";
}

/** What came of running an inference again, and, where bytes need not be equal, of looking at it in one pass. */
export type InferenceCheck = {
  readonly verdict: "EXACT" | "CONSISTENT" | "MISMATCH" | "UNVERIFIABLE";
  readonly tokens: number;
  readonly firstDivergence?: {
    readonly index: number;
    readonly recorded: number | null;
    readonly actual: number | null;
    /** How far the recorded token lies below the best one here, in thousandths of a logit; 1,000,000,000: the grammar forbids it. */
    readonly marginMilli?: number;
  };
  readonly why?: string;
  readonly reExecution: ReExecution;
  /** Null where the run itself settled it. */
  readonly reCheck: ReCheck | null;
};

/**
 * An inference record out of a JSON file.
 *
 * @throws InferenceRecordError
 */
export async function readInference(file: string): Promise<Inference> {
  let detail: string;
  try {
    const parsed = inferenceSchema.safeParse(JSON.parse(await readFile(file, "utf8")));
    if (parsed.success) return parsed.data;
    detail = parsed.error.issues
      .slice(0, 5)
      .map(({ message, path }) => `${path.join(".")}: ${message}`)
      .join("; ");
  } catch (error) {
    detail = error instanceof Error ? error.message : String(error);
  }
  throw new InferenceRecordError(`${file} is no inference record.`, {
    remedy: "Give the JSON that `bursar verify --state … --decision N --save FILE` writes.",
    facts: { detail },
  });
}

/**
 * The inference of one decision of a journal, by the decision's number.
 *
 * @throws InferenceRecordError
 */
export function inferenceIn(path: string, sequence: number): Inference {
  const file = existsSync(path) && statSync(path).isDirectory() ? join(path, "journal.db") : path;
  if (!existsSync(file))
    throw new InferenceRecordError("There is no journal.", {
      remedy: "Name the agent's state folder, or the journal.db in it; stop the agent first.",
      facts: { journal: file },
    });
  const journal = openJournal(file);
  try {
    const decision = decisionNumber(journal, sequence);
    const finished = decision?.done === true;
    const thought = finished && (outputOf(journal, decision.id, "infer") as unknown as Thought | undefined);
    if (thought && "inference" in thought) return thought.inference;
    throw new InferenceRecordError(
      finished
        ? `Decision ${sequence} was made without the model.`
        : `There is no finished decision ${sequence}.`,
      { remedy: "Name another one: they count from 1.", facts: { journal: file } },
    );
  } finally {
    journal.close();
  }
}

/**
 * Runs a record again, and, when its tokens differ and the program here is another one than it was made with, asks whether the
 * model finds them right (`reCheck`). The same program gives the same bytes, so there is nothing to tolerate there.
 *
 * @throws InferenceRecordError, and what `openEngine` throws
 */
export async function verifyInference(
  inference: Inference,
  options: {
    readonly model?: string | undefined;
    readonly tolerance?: Tolerance | undefined;
    readonly signal?: AbortSignal;
  } = {},
): Promise<InferenceCheck> {
  if (inference.mode === "scripted")
    throw new InferenceRecordError("A script was at work there, not a model: nothing can be run again.", {
      remedy: "Check an inference of a model.",
    });
  if (!isLocal(inference)) {
    const { askedModel = inference.model.file, url = "a server" } = inference.remote ?? {};
    const reExecution = {
      verdict: "UNVERIFIABLE",
      tokens: inference.outputTokens.length,
      why: `${url} was asked for ${askedModel}; what answered there, and how, is its word alone`,
    } as const;
    return { ...reExecution, reExecution, reCheck: null };
  }
  const modelPath = options.model ?? (await bundledIf(inference.model.sha256));
  const how = {
    modelPath,
    sha256: inference.model.sha256,
    mode: inference.mode === "canonical" ? ("canonical" as const) : ("fast" as const),
    contextSize: inference.settings.contextSize,
    // They count with flash attention only, and a record may name as many as it likes.
    threads: inference.settings.flashAttention ? inference.settings.threads : 1,
    ...(options.signal ? { signal: options.signal } : {}),
  };
  // The very code that computed the record, where this processor can run it.
  const cpuVariant = recordedVariant(inference.runtime);
  const engine = await openEngine(cpuVariant === undefined ? how : { ...how, cpuVariant }).catch(
    async (error: unknown) => {
      if (error instanceof CpuVariantError) return await openEngine(how);
      throw error;
    },
  );
  const signal = options.signal ? { signal: options.signal } : {};
  try {
    const reExecution = await engine.reExecute(inference, signal);
    const { tokens } = reExecution;
    if (reExecution.verdict !== "MISMATCH") return { ...reExecution, reExecution, reCheck: null };
    const settled = !reExecution.otherProgram;
    const tolerance =
      options.tolerance ??
      (await readCalibration(modelPath, inference.model.sha256))?.tolerance ??
      uncalibrated;
    const reCheck = settled ? null : await engine.reCheck(inference, tolerance, signal);
    const { firstDivergence, verdict, why } = reCheck ?? reExecution;
    const marginMilli =
      firstDivergence && verdict === "MISMATCH"
        ? await marginAt(firstDivergence.index, inference, engine, signal)
        : undefined;
    return {
      verdict,
      tokens,
      ...(firstDivergence && verdict === "MISMATCH"
        ? {
            firstDivergence: {
              index: firstDivergence.index,
              recorded: firstDivergence.recorded,
              actual: firstDivergence.actual,
              ...(marginMilli === undefined ? {} : { marginMilli }),
            },
          }
        : {}),
      ...(why === undefined ? {} : { why }),
      reExecution,
      reCheck,
    };
  } finally {
    await engine.close();
  }
}

/** What the model thinks of the recorded token at the place where its own is another; undefined where that is no token of the output. */
async function marginAt(
  index: number,
  inference: LocalInference,
  engine: LocalEngine,
  signal: { readonly signal?: AbortSignal },
): Promise<number | undefined> {
  try {
    const { firstDivergence } = await engine.reCheck(inference, nothingTolerated, signal);
    return firstDivergence?.index === index ? firstDivergence.marginMilli : undefined;
  } catch (error) {
    // Tokens of no vocabulary: there is a verdict, and nothing to weigh.
    if (error instanceof InvalidRequestError) return undefined;
    throw error;
  }
}

const nothingTolerated: Tolerance = { marginMilli: 0, fingerprintMilli: 0, flipsPermille: 0 };

const isLocal = (inference: Inference): inference is LocalInference =>
  inference.mode !== "remote" && inference.model.sha256 !== null && inference.settings !== null;

async function bundledIf(sha256: string): Promise<string> {
  if (existsSync(bundledModel) && (await hashFile(bundledModel)) === sha256) return bundledModel;
  throw new InferenceRecordError("The record was made with a model that is not the bundled one.", {
    remedy: "Give its file: --model FILE.",
    facts: { sha256 },
  });
}
