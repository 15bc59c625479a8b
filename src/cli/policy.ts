import { defineCommand, type CommandDef } from "citty";

import type { Finding } from "../policy/finding.ts";
import type { Place } from "../policy/locate.ts";

const file = {
  type: "positional",
  description: "The policy, YAML or JSON; - reads the standard input.",
  required: true,
} as const;
const json = { type: "boolean", description: "One JSON document on stdout.", default: false } as const;
const agent = {
  type: "string",
  description: "The agent's address, which the ids depend on.",
  valueHint: "0x…",
} as const;

const lines = (texts: readonly string[]): void =>
  void process.stdout.write(texts.map((text) => `${text}\n`).join(""));

const checkCommand = defineCommand({
  meta: {
    name: "check",
    description:
      "Says every mistake with line, column and the fix; exit status 1 if there is one. Example: bursar policy check policies/treasury.yaml",
  },
  args: { file, agent, json },
  async run({ args }) {
    const [{ agentOf, compileFile, writeJson }, { PolicyError }] = await Promise.all([
      import("./policyFile.ts"),
      import("../policy/parse.ts"),
    ]);
    const known = agentOf(args.agent) !== undefined;
    try {
      const policy = await compileFile(args.file, args.agent);
      const limits = policy.limits.map(({ token, policyId, grant, units, terms }) => ({
        asset: token.symbol,
        ...(known ? { policyId, grant, units, terms } : {}),
      }));
      if (args.json)
        return writeJson({
          ok: true,
          policy: policy.name,
          documentHash: policy.documentHash,
          limits,
          mistakes: [],
        });
      lines([
        `${args.file}: no mistakes. Document ${policy.documentHash}`,
        ...(known
          ? policy.limits.map(({ token, policyId }) => `  ${token.symbol}: policy id ${policyId}`)
          : []),
      ]);
    } catch (error) {
      if (!(error instanceof PolicyError) || !args.json) throw error;
      writeJson({ ok: false, mistakes: error.mistakes });
      process.exitCode = 1;
    }
  },
});

const explainCommand = defineCommand({
  meta: {
    name: "explain",
    description:
      "Says in sentences what the agent may do, what the chain enforces and what is advisory. Example: bursar policy explain policies/treasury.yaml",
  },
  args: { file, agent, json },
  async run({ args }) {
    const [{ compileFile, writeJson }, { explainPolicy }] = await Promise.all([
      import("./policyFile.ts"),
      import("../policy/explain.ts"),
    ]);
    const policy = await compileFile(args.file, args.agent);
    const sentences = explainPolicy(policy);
    if (args.json)
      writeJson({ policy: policy.name, chain: policy.chainId, documentHash: policy.documentHash, sentences });
    else
      lines([
        `Policy ${policy.name} on chain ${policy.chainId}:`,
        ...sentences.map(({ words }) => `- ${words}`),
      ]);
  },
});

const worstCaseCommand = defineCommand({
  meta: {
    name: "worst-case",
    description:
      "Says the most that can be lost: per call, in any window, in a day, ever, and through gas. Example: bursar policy worst-case policies/treasury.yaml --json",
  },
  args: { file, json },
  async run({ args }) {
    const [{ compileFile, writeJson }, { worstCase }] = await Promise.all([
      import("./policyFile.ts"),
      import("../policy/worstCase.ts"),
    ]);
    const policy = await compileFile(args.file, undefined);
    const worst = worstCase(policy);
    if (args.json) return writeJson({ policy: policy.name, chain: policy.chainId, ...worst });
    lines([
      `The most that can be lost under ${policy.name}, if the agent's key is in the worst hands:`,
      ...worst.assets.flatMap(({ address, asset, words, why }) => [
        `  ${asset}${BigInt(address) === 0n ? "" : ` (${address})`}`,
        `    per call  ${words.perCall}`,
        `    window    ${words.window}`,
        `    day       ${words.perDay}`,
        `    lifetime  ${words.lifetime}`,
        ...why.map((reason) => `    ${reason}`),
      ]),
      "  gas",
      `    per operation  ${worst.gas.words.perOperation}`,
      `    lifetime       ${worst.gas.words.lifetime}`,
      `  native coin together: ${worst.coin.words}`,
      ...[...worst.purses.map(({ words }) => words), ...worst.notes].map((note) => `- ${note}`),
    ]);
  },
});

const diffCommand = defineCommand({
  meta: {
    name: "diff",
    description:
      "Says clause by clause what a change widens or narrows. Example: bursar policy diff old.yaml new.yaml",
  },
  args: {
    before: { type: "positional", description: "The policy as it was.", required: true },
    after: { type: "positional", description: "The policy as it shall be.", required: true },
    json,
  },
  async run({ args }) {
    const [{ readPolicyFile, writeJson }, { diffPolicies }] = await Promise.all([
      import("./policyFile.ts"),
      import("../policy/diff.ts"),
    ]);
    const before = await readPolicyFile(args.before);
    const after = await readPolicyFile(args.after);
    const changes = diffPolicies(before.document, after.document);
    if (args.json) writeJson({ before: args.before, after: args.after, changes });
    else if (changes.length === 0) lines(["Both mean the same."]);
    else lines(changes.map(({ clause, effect, words }) => `${effect.padEnd(7)}  ${clause}: ${words}`));
  },
});

const lintCommand = defineCommand({
  meta: {
    name: "lint",
    description:
      "Warns of dangerous combinations; exit status 1 when one of them is an error. Example: bursar policy lint policies/dca-trader.yaml",
  },
  args: { file, agent, json },
  async run({ args }) {
    const [{ agentOf, readPolicyFile, writeJson }, { lintPolicy }, { locateIn }, { now }] = await Promise.all(
      [
        import("./policyFile.ts"),
        import("../policy/lint.ts"),
        import("../policy/locate.ts"),
        import("../runtime/clock.ts"),
      ],
    );
    const { text, document } = await readPolicyFile(args.file);
    const { locate } = locateIn(text);
    const known = agentOf(args.agent);
    const facts = { now: Math.floor(now() / 1000), ...(known === undefined ? {} : { agent: known }) };
    const findings = lintPolicy(document, facts).map((finding) => ({
      ...finding,
      ...locate(finding.path, true),
    }));
    if (args.json)
      writeJson({ file: args.file, findings: findings.map((one) => ({ ...one, path: one.path.join(".") })) });
    else if (findings.length === 0) lines([`${args.file}: nothing to warn of.`]);
    else lines(findings.map((finding) => inWords(args.file, finding)));
    if (findings.some(({ severity }) => severity === "error")) process.exitCode = 1;
  },
});

const inWords = (name: string, { severity, code, line, column, words, remedy }: Finding & Place): string =>
  `${name}:${line}:${column}  ${severity} ${code}: ${words}\n    ${remedy}`;

export const policyCommand: CommandDef = defineCommand({
  meta: {
    name: "policy",
    description: "Checks, explains, compares, simulates, installs and revokes policies.",
  },
  subCommands: {
    check: checkCommand,
    explain: explainCommand,
    "worst-case": worstCaseCommand,
    diff: diffCommand,
    lint: lintCommand,
    simulate: () => import("./policySimulate.ts").then(({ simulateCommand }) => simulateCommand),
    install: () => import("./policyInstall.ts").then(({ installCommand }) => installCommand),
    revoke: () => import("./policyRevoke.ts").then(({ revokeCommand }) => revokeCommand),
  },
});
