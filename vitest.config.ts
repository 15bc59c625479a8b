import { defineConfig } from "vitest/config";

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

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    retry: 0,
    projects: [
      project("unit", 20 * seconds, ["unit", "differential"]),
      project("architecture", 20 * seconds),
      project("integration", 120 * seconds),
      project("model", 120 * seconds),
      project("bundler", 300 * seconds),
      project("postgres", 120 * seconds),
      project("setup", 600 * seconds),
    ],
  },
});
