import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const seconds = 1000;

/** One project a folder of test/; `slowest` is what a single test may take. The TypeScript twins run with the units. */
const project = (name: string, slowest: number, folders = [name]) => ({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"], externalConditions: ["source"] } },
  test: {
    name,
    include: folders.map((folder) => `test/${folder}/**/*.test.ts`),
    testTimeout: slowest,
    hookTimeout: slowest,
  },
});

/** Small files that take as long as a third of their suite and more: begun last, everybody would wait for them. */
const slow = /\/test\/(?:differential\/law|walletconnect\/expiry)\.test\.ts$/;

/** Longest first where an earlier run has told, else largest first, which is wrong for the slow ones. */
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => Number(slow.test(b.moduleId)) - Number(slow.test(a.moduleId)));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: SlowFirst },
    pool: "forks",
    maxWorkers: 2,
    retry: 0,
    projects: [
      project("unit", 20 * seconds, ["unit", "differential"]),
      project("architecture", 20 * seconds),
      project("integration", 120 * seconds),
      project("model", 120 * seconds),
      project("processes", 120 * seconds),
      project("bundler", 300 * seconds),
      project("postgres", 120 * seconds),
      project("walletconnect", 120 * seconds),
      project("setup", 600 * seconds),
    ],
  },
});
