import { readFile } from "node:fs/promises";
import * as z from "zod";
import type { ReCheck, Tolerance } from "../core/inference.ts";

/** Honest reruns that were compared, and how far they went apart: what a tolerance rests on. */
export type Calibration = {
  readonly model: { readonly file: string; readonly sha256: string };
  /** The programs that were compared, in words. */
  readonly compared: readonly string[];
  readonly runs: number;
  readonly worst: {
    readonly marginMilli: number;
    readonly fingerprintMilli: number;
    readonly flipsPermille: number;
  };
  readonly tolerance: Tolerance;
};

const natural = z.int().min(0);
const figures = z.strictObject({
  marginMilli: natural,
  fingerprintMilli: natural,
  flipsPermille: natural.max(1000),
});
const calibrationSchema = z.strictObject({
  model: z.strictObject({ file: z.string(), sha256: z.string() }),
  compared: z.array(z.string()),
  runs: natural,
  worst: figures,
  tolerance: figures,
}) satisfies z.ZodType<Calibration>;

/** Half as much again as the worst that honest programs did here, and never nothing: other machines differ in other places. */
const HEADROOM = 1.5;
const LEAST = { marginMilli: 20, fingerprintMilli: 20, flipsPermille: 20 } as const;

/** The tolerance that honest runs as these need. */
export function calibrate(
  model: Calibration["model"],
  compared: readonly string[],
  checks: readonly ReCheck[],
): Calibration {
  const worst = {
    marginMilli: Math.max(0, ...checks.map(({ worstMarginMilli }) => worstMarginMilli)),
    fingerprintMilli: Math.max(0, ...checks.map(({ worstFingerprintMilli }) => worstFingerprintMilli ?? 0)),
    flipsPermille: Math.max(
      0,
      // A single token may always differ (see `compareOpinion`), so one of a few says nothing about a share.
      ...checks.map(({ flips, tokens }) => (flips < 2 ? 0 : Math.ceil((flips * 1000) / tokens))),
    ),
  };
  const room = (name: keyof Tolerance) => Math.max(LEAST[name], Math.ceil(worst[name] * HEADROOM));
  return Object.freeze({
    model,
    compared,
    runs: checks.length,
    worst,
    tolerance: {
      marginMilli: room("marginMilli"),
      fingerprintMilli: room("fingerprintMilli"),
      flipsPermille: Math.min(1000, room("flipsPermille")),
    },
  });
}

/** Where a model's calibration lies: beside its file. */
export const calibrationFileOf = (modelPath: string): string => `${modelPath}.calibration.json`;

/** The calibration beside a model's file; undefined when there is none, or it is another model's. */
export async function readCalibration(modelPath: string, sha256: string): Promise<Calibration | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(calibrationFileOf(modelPath), "utf8"));
  } catch {
    return undefined;
  }
  const parsed = calibrationSchema.safeParse(value);
  return parsed.success && parsed.data.model.sha256 === sha256 ? parsed.data : undefined;
}
