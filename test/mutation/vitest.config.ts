import { defineConfig } from "vitest/config";

/** The unit tests of the law and nothing else: what Stryker runs against each mutant. */
export default defineConfig({
  cacheDir: "test/mutation/.work/vite",
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"], externalConditions: ["source"] } },
  test: {
    include: ["test/unit/policy/**/*.test.ts"],
    isolate: false,
    deps: { optimizer: { ssr: { enabled: true, include: ["viem", "zod", "yaml", "fast-check"] } } },
  },
});
