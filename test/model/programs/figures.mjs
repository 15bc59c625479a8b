// How quick the bundled model is on this machine: node test/model/programs/figures.mjs [decisions]
import { readFileSync } from "node:fs";
import { actionGrammar } from "../../../src/inference/grammar.ts";
import { openEngine } from "../../../src/inference/openEngine.ts";
import { CLERK, childrenOf, clerkPrompt } from "../clerk.ts";

const cases = readFileSync(new URL("../../../models/clerk/dev-set.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .slice(0, Number(process.argv[2] ?? 200))
  .map((line) => JSON.parse(line));
const grammarFor = (payees) =>
  actionGrammar({
    payees,
    tokens: ["USDC", "DAI", "ETH"],
    holdReasons: ["not-a-bill", "unknown-payee", "unclear"],
  });
const residentMb = (pid) =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024);
const percentile = (list, share) =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length * share)]?.toFixed(1);

const started = performance.now();
const engine = await openEngine(CLERK);
const opened = performance.now();
const first = await engine.infer(clerkPrompt("Please pay 5 DAI to acme"), { kind: "greedy" });
process.stdout.write(
  `open ${(opened - started).toFixed(0)} ms, to the first token ${(opened - started + first.timing.prefillMs).toFixed(0)} ms\n`,
);
for (const [name, withGrammar] of [
  ["no grammar", false],
  ["grammar", true],
]) {
  const times = [];
  let exact = 0;
  for (const { payees, message, expected } of cases) {
    const prompt = {
      ...clerkPrompt(""),
      messages: [
        clerkPrompt("").messages[0],
        { role: "user", content: `payees: ${payees.join(", ")}\nmessage:\n${message}` },
      ],
      grammar: withGrammar ? grammarFor(payees) : null,
    };
    const at = performance.now();
    const { text } = await engine.infer(prompt, { kind: "greedy" });
    times.push(performance.now() - at);
    if (text === expected) exact++;
  }
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  process.stdout.write(
    `${name}: ${exact}/${cases.length} exact, ${mean.toFixed(1)} ms a decision (p50 ${percentile(times, 0.5)}, p95 ${percentile(times, 0.95)}), ` +
      `worker ${childrenOf(process.pid).map(residentMb).join()} MB\n`,
  );
}
await engine.close();
