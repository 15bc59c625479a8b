// The static checks, two at a time: `npm run check`. Says one line for each, and shows what a failing one printed.
import { spawn } from "node:child_process";

const checks: Record<string, readonly string[]> = {
  types: ["tsc"],
  lint: ["oxlint", "--type-aware", "--deny-warnings"],
  format: ["prettier", "--check", "--log-level", "warn", "."],
  solidity: ["solhint", "--disc", "--noPoster", "--noPrompt", "--max-warnings", "0", "contracts/**/*.sol"],
  unused: ["knip", "--no-progress"],
};

const waiting = Object.entries(checks);
let failed = 0;
await Promise.all([work(), work()]);
process.stdout.write(
  failed === 0 ? "All checks passed.\n" : `${failed} of ${Object.keys(checks).length} checks failed.\n`,
);
process.exitCode = failed === 0 ? 0 : 1;

async function work(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [name, command] = next;
    const started = performance.now();
    const { code, output } = await run(command);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (code !== 0) failed += 1;
    process.stdout.write(
      `${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)\n${code === 0 ? "" : output}`,
    );
  }
}

function run([tool = "", ...args]: readonly string[]): Promise<{
  readonly code: number | null;
  readonly output: string;
}> {
  const child = spawn(tool, args, { stdio: ["ignore", "pipe", "pipe"], shell: process.platform === "win32" });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ code: 1, output: `${error.message}\n` }));
    child.on("close", (code) => resolve({ code, output }));
  });
}
