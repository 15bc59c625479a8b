import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { ReCheck } from "../../../src/core/inference.ts";
import { calibrate, calibrationFileOf, readCalibration } from "../../../src/inference/calibration.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-calibration-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const model = { file: "m.gguf", sha256: `0x${"ab".repeat(32)}` };
const check = (part: Partial<ReCheck>): ReCheck => ({
  verdict: "CONSISTENT",
  tokens: 40,
  flips: 0,
  worstMarginMilli: 0,
  worstFingerprintMilli: 0,
  tolerance: { marginMilli: 0, fingerprintMilli: 0, flipsPermille: 0 },
  ...part,
});

test("tolerates half as much again as the worst honest run, and a little where runs are equal", () => {
  const found = calibrate(
    model,
    ["here", "there"],
    [
      check({ worstMarginMilli: 90, flips: 1 }),
      check({ worstFingerprintMilli: 141, flips: 2 }),
      check({ worstFingerprintMilli: null }),
    ],
  );
  expect(found).toMatchObject({
    runs: 3,
    worst: { marginMilli: 90, fingerprintMilli: 141, flipsPermille: 50 },
    tolerance: { marginMilli: 135, fingerprintMilli: 212, flipsPermille: 75 },
  });
  expect(calibrate(model, [], [check({})]).tolerance).toEqual({
    marginMilli: 20,
    fingerprintMilli: 20,
    flipsPermille: 20,
  });
});

test("lies beside the model's file, and holds for that file only", async () => {
  const path = join(folder, "m.gguf");
  expect(await readCalibration(path, model.sha256)).toBeUndefined();
  const found = calibrate(model, ["here"], [check({ worstMarginMilli: 90 })]);
  writeFileSync(calibrationFileOf(path), JSON.stringify(found));
  expect(await readCalibration(path, model.sha256)).toEqual(found);
  expect(await readCalibration(path, `0x${"cd".repeat(32)}`)).toBeUndefined();
  writeFileSync(calibrationFileOf(path), JSON.stringify({ ...found, tolerance: { marginMilli: -1 } }));
  expect(await readCalibration(path, model.sha256)).toBeUndefined();
});
