// Mutants of the Solidity law: does any test see them?
//
//   npm run test:mutation:solidity -- --files Counters,SpendPolicy
//
// First the differential comparison with the twin, then the contract tests. Prints a table and the survivors.
import { parseArgs } from "node:util";

import { chanceOf } from "../../differential/chance.ts";
import { LawCourt } from "./askLaw.ts";
import { TestCourt } from "./askTests.ts";
import {
  compileOne,
  compileWoven,
  contractsWith,
  numbered,
  readSources,
  syntaxOf,
  type Code,
  type Contract,
} from "./compileMutants.ts";
import { covers, findBodies, findMutants } from "./findMutants.ts";
import type { Numbered } from "./mutant.ts";
import { inWords, Results, tally, type Result } from "./results.ts";

const files = [
  ...["SpendPolicy", "Counters", "Caps", "Terms", "Rules", "Calldata", "PayeeTree", "CompactSignature"].map(
    (name) => `contracts/libraries/${name}.sol`,
  ),
  "contracts/libraries/DecisionTree.sol",
  "contracts/libraries/SpendGrants.sol",
  ...[
    "PolicyGate",
    "PolicyBook",
    "AgentAccount",
    "SpendPolicyValidator",
    "SpendGrant",
    "PermissionSpender",
  ].map((name) => `contracts/${name}.sol`),
];
/** Switches in one piece of code: with more of them the compiler takes longer than for two pieces. */
const switches = {
  differential: 120,
  /* Operations of the tests have to do with the gas that they give (`--switches`). */ tests: 50,
};
/** Beyond the numbers of mutants. */
const firstBody = 100_000;

const help = `Changes the Solidity law in one place at a time and looks whether the tests see it.

  --files A,B     only these, by name (all)
  --limit N       a sample of so many
  --seed N        another sample, other random operations (1)
  --cases N       operations that a mutant has to answer as the twin does (2000)
  --results FILE  keep each result there, and go on from what is there
  --quick         do not compile survivors as they are shipped, to see whether the bytecode differs at all
  --only NAME     "differential" or "tests": the other one is not asked
  --thorough      with the attacks of test/contracts/attack
  --switches N    so many mutants in one piece of code for the tests (50): in a place that runs often they take its gas
  --again         ask those that survived once more
  --json          all results as JSON
`;

type Options = {
  readonly chosen: readonly string[];
  readonly limit: number;
  readonly seed: number;
  readonly cases: number;
  readonly switches: number;
  readonly results: Results;
  readonly again: boolean;
  readonly quick: boolean;
  readonly thorough: boolean;
  readonly only: string | undefined;
};
type Court = { open(code: Code): Promise<(id: number | null) => Promise<string | undefined>> };

function options(): Options & { readonly json: boolean } {
  const { values } = parseArgs({
    options: {
      files: { type: "string" },
      limit: { type: "string", default: "1000000" },
      seed: { type: "string", default: "1" },
      cases: { type: "string", default: "2000" },
      switches: { type: "string", default: String(switches.tests) },
      results: { type: "string" },
      thorough: { type: "boolean", default: false },
      only: { type: "string" },
      quick: { type: "boolean", default: false },
      again: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    process.exit(0);
  }
  const names = values.files?.split(",");
  const chosen = files.filter((file) => names?.includes(file.replaceAll(/.*\/|\.sol$/g, "")) ?? true);
  const numbers = [values.limit, values.seed, values.cases, values.switches];
  if (
    chosen.length !== (names?.length ?? files.length) ||
    numbers.some((text) => !/^[1-9]\d{0,8}$/.test(text))
  ) {
    process.stderr.write(help);
    process.exit(2);
  }
  const [limit, seed, cases, atOnce] = numbers.map(Number) as [number, number, number, number];
  return {
    chosen,
    limit,
    seed,
    cases,
    switches: atOnce,
    results: new Results(values.results),
    again: values.again,
    quick: values.quick,
    thorough: values.thorough,
    only: values.only,
    json: values.json,
  };
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function lead(): Promise<void> {
  const { json, ...chosen } = options();
  const hearing = new Hearing(chosen);
  try {
    const results = await hearing.all();
    const survivors = results.filter(({ fate }) => fate === "survived");
    process.stdout.write(
      json
        ? `${JSON.stringify(results, null, 1)}\n`
        : `${tally(results)}\n\n${survivors.map(inWords).join("\n")}\n`,
    );
  } finally {
    hearing.close();
  }
}

class Hearing {
  readonly #options: Options;
  readonly #sources = readSources();
  readonly #syntax = syntaxOf(this.#sources);
  readonly #law: LawCourt;
  readonly #tests: TestCourt;
  readonly #shipped = new Map<Contract, string>();
  #log: Code | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#tests = new TestCourt(options.thorough);
    this.#law = new LawCourt(options.seed, options.cases);
  }

  close(): void {
    this.#tests.close();
  }

  async all(): Promise<readonly Result[]> {
    const { chosen, limit, seed, results } = this.#options;
    const everywhere: Numbered[] = [];
    // Numbered over all files, so that a number names the same mutant whatever is chosen.
    for (const file of files)
      everywhere.push(
        ...numbered(
          this.#sources,
          findMutants(file, this.#sources[file]!, this.#syntax[file]!),
          everywhere.length + 1,
        ),
      );
    const sample = sampled(
      everywhere.filter(({ file }) => chosen.includes(file)),
      limit,
      seed,
    );
    for (const file of chosen)
      await this.#file(
        file,
        sample.filter((mutant) => mutant.file === file),
      );
    return sample.flatMap((mutant) => results.get(mutant) ?? []);
  }

  async #file(file: string, mutants: readonly Numbered[]): Promise<void> {
    const { results, again, quick, only } = this.#options;
    const fateOf = (mutant: Numbered): string | undefined => results.get(mutant)?.fate;
    let left = mutants.filter((mutant) => {
      const fate = fateOf(mutant);
      return fate === undefined || (again && fate === "survived");
    });
    const names = contractsWith(file, this.#syntax);
    const doors = names.filter((name) => name !== "LawHarness");
    if (only !== "tests" && names.includes("LawHarness"))
      left = await this.#ask(file, left, ["LawHarness"], this.#lawWithLog(), "differential");
    if (only !== "differential") left = await this.#ask(file, left, doors, this.#tests, "contract tests");
    for (const mutant of left) {
      const same = !quick && this.#isSame(mutant, doors);
      if (!same) say(`  SURVIVED ${inWords({ ...mutant, fate: "survived" })}`);
      results.add(mutant, same ? "same bytecode" : "survived");
    }
    say(
      `${file}: ${mutants.length} mutants, ${mutants.filter((one) => fateOf(one) === "survived").length} survived`,
    );
  }

  /** The differential test needs a log to deploy, which no mutant of the harness is in. */
  #lawWithLog(): Court {
    this.#log ??= compileOne(this.#sources, ["DecisionLog"], null, "quick")!;
    return { open: (code) => this.#law.open({ ...this.#log, ...code }) };
  }

  /** Those that nothing was found against. */
  async #ask(
    file: string,
    mutants: readonly Numbered[],
    names: readonly Contract[],
    court: Court,
    fate: "differential" | "contract tests",
  ): Promise<Numbered[]> {
    const left: Numbered[] = [];
    const judge = async (
      mutant: Numbered,
      ask: (id: number | null) => Promise<string | undefined>,
      id: number | null,
    ) => {
      const by = await ask(id);
      if (by === undefined) left.push(mutant);
      else this.#options.results.add(mutant, fate, by.slice(0, 200));
      say(
        `${fate} ${mutant.id} ${mutant.file}:${mutant.line} ${mutant.operator}: ${by?.slice(0, 60) ?? "nothing"}`,
      );
    };
    const most = fate === "differential" ? switches.differential : this.#options.switches;
    for (let from = 0; from < mutants.length; from += most) {
      const part = mutants.slice(from, from + most);
      const bodies = fate === "differential" ? this.#bodies(file, part) : [];
      const { code, woven } = compileWoven(this.#sources, file, names, [...part, ...bodies]);
      const ask = await court.open(code);
      const wrong = await ask(null);
      if (wrong !== undefined) throw new Error(`Without any mutant: ${wrong}`);
      const idle: Numbered[] = [];
      for (const body of bodies)
        if (woven.has(body.id) && (await ask(body.id)) === undefined) {
          idle.push(body);
          say(`${fate} never runs what begins at ${file}:${body.line}`);
        }
      for (const mutant of part) {
        if (idle.some(({ at }) => covers(at, mutant.at))) left.push(mutant);
        else if (woven.has(mutant.id)) {
          await judge(mutant, ask, mutant.id);
        } else {
          const alone = compileOne(this.#sources, names, mutant, "quick");
          if (alone) await judge(mutant, await court.open(alone), null);
          else this.#options.results.add(mutant, "invalid");
        }
      }
    }
    return left.sort((a, b) => a.id - b.id);
  }

  /** Of the functions that mutants are in; those inside of them need not be asked one by one where it is never run. */
  #bodies(file: string, mutants: readonly Numbered[]): readonly Numbered[] {
    const all = findBodies(file, this.#syntax[file]!).filter(({ at }) =>
      mutants.some((mutant) => covers(at, mutant.at)),
    );
    return numbered(this.#sources, all, firstBody);
  }

  /** Whether the code that would be shipped is the same as without it. */
  #isSame(mutant: Numbered, names: readonly Contract[]): boolean {
    return names.every((name) => {
      let original = this.#shipped.get(name);
      if (original === undefined) {
        original = compileOne(this.#sources, [name], null, "shipped")![name]!;
        this.#shipped.set(name, original);
      }
      return compileOne(this.#sources, [name], mutant, "shipped")?.[name] === original;
    });
  }
}

function sampled(mutants: readonly Numbered[], limit: number, seed: number): readonly Numbered[] {
  if (mutants.length <= limit) return mutants;
  const chance = chanceOf(seed);
  const rest = [...mutants];
  const picked = Array.from({ length: limit }, () => rest.splice(chance.below(rest.length), 1)[0]!);
  return picked.sort((a, b) => a.id - b.id);
}

await lead();
// EDR keeps its threads.
process.exit(0);
