import type { LocalEngine, LocalInference, Prompt, Sampling } from "../core/inference.ts";
import type { EnergyMeter } from "./energy.ts";

/** Metered runs under way in this process, and how many have begun so far: whatever engine they are of, they share the counters. */
let running = 0;
let begun = 0;

/**
 * The engine, with the energy that was counted while each of its inferences ran. Two that run at once are not told apart, so neither
 * has a figure then. Closing it closes both.
 */
export function metered(engine: LocalEngine, meter: EnergyMeter): LocalEngine {
  return Object.freeze({
    ...engine,
    async infer(
      prompt: Prompt,
      sampling: Sampling,
      options: { readonly signal?: AbortSignal } = {},
    ): Promise<LocalInference> {
      const alone = running === 0;
      running++;
      const mine = ++begun;
      const end = await meter.start();
      try {
        const inference = await engine.infer(prompt, sampling, options);
        const energy = await end();
        return energy && alone && begun === mine ? Object.freeze({ ...inference, energy }) : inference;
      } finally {
        running--;
      }
    },
    async close(): Promise<void> {
      meter.close();
      await engine.close();
    },
  });
}
