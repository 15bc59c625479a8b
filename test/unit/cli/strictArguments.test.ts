import { defineCommand } from "citty";
import { describe, expect, test } from "vitest";

import { chainCommand } from "../../../src/cli/chain.ts";
import { keystoreCommand } from "../../../src/cli/keystore.ts";
import { policyCommand } from "../../../src/cli/policy.ts";
import { runAgentCommand } from "../../../src/cli/run.ts";
import { findCommand, refuseUnknown, UsageError } from "../../../src/cli/strictArguments.ts";

const main = defineCommand({
  meta: { name: "bursar" },
  subCommands: {
    run: runAgentCommand,
    policy: policyCommand,
    chain: chainCommand,
    keystore: keystoreCommand,
  },
});

async function refusal(line: string): Promise<string> {
  const words = line.split(" ").filter((word) => word !== "");
  return refuseUnknown(await findCommand(main, words), words).then(
    () => "",
    (error: unknown) => {
      if (!(error instanceof UsageError)) throw error;
      return error.message;
    },
  );
}

/** Every command, with what it may not go without. */
const commands = [
  "run agent.ts",
  "chain",
  "keystore new key.json",
  "policy check a.yaml",
  "policy explain a.yaml",
  "policy worst-case a.yaml",
  "policy diff a.yaml b.yaml",
  "policy lint a.yaml",
  "policy simulate a.yaml",
  "policy install a.yaml",
  "policy revoke a.yaml",
];

describe("every command", () => {
  test.each(commands)("%s: takes its own options and words, and no others", async (line) => {
    expect(await refusal(line)).toBe("");
    expect(await refusal(`${line} --json`)).toBe("");
    expect(await refusal(`${line} --surplus`)).toContain("has no option --surplus");
    expect(await refusal(`${line} --surplus=1`)).toContain("has no option --surplus");
    expect(await refusal(`${line} --no-surplus`)).toContain("has no option --no-surplus");
    expect(await refusal(`${line} -x`)).toContain("has no option -x");
  });

  // `revoke` and `run` take as many as there are.
  test.each(commands.filter((line) => !/^(policy revoke|run) /.test(line)))(
    "%s: takes no more words",
    async (line) => {
      expect(await refusal(`${line} one-more.yaml`)).toContain('what is "one-more.yaml"?');
      expect(await refusal(`${line} -- --json`)).toContain('what is "--json"?');
    },
  );
});

test.each([
  ["policy install b.yaml --replaces a.yaml --yes", "Did you mean --replace?"],
  ["policy check a.yaml broken.yaml", 'what is "broken.yaml"?'],
  ["policy install a.yaml --yes=no", '--yes is said or not said: it takes no "no"'],
  ["policy install a.yaml --account --yes", "--account needs a value"],
  ["policy install a.yaml --by-signature=", "--by-signature needs a value"],
  ["policy install a.yaml --agent", "--agent needs a value"],
  ["policy install a.yaml --replace a --replace b", "--replace is there twice"],
  ["policy install a.yaml --no-agent", "has no option --no-agent"],
  ["policy chekc a.yaml", "Did you mean check?"],
  ["policy --json check a.yaml", "options follow the whole command"],
  ["policy", "`bursar policy` needs a command.\n`bursar policy --help`"],
])("%s is refused", async (line, words) => {
  expect(await refusal(line)).toContain(words);
});

test.each([
  "policy check a.yaml --agent=0x12 --json",
  "policy check --agent 0x12 a.yaml --no-json",
  "policy check -- -odd-name.yaml",
  "policy check -",
  "policy install a.yaml --ownerKeystore owner.json --yes=true",
  "policy revoke a.yaml b.yaml 0x12 --all",
])("%s is taken", async (line) => {
  expect(await refusal(line)).toBe("");
});
