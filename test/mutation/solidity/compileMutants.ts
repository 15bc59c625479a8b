import { collectSources, harnessFile, solc } from "../../differential/compileHarness.ts";
import { changed, type AstNode, type Numbered, type Range } from "./mutant.ts";
import { blamed, weave } from "./weave.ts";

/** Contracts that a mutant is run in, and their files. */
export const contracts = {
  LawHarness: harnessFile,
  DecisionLog: "contracts/DecisionLog.sol",
  AgentAccount: "contracts/AgentAccount.sol",
  SpendPolicyValidator: "contracts/SpendPolicyValidator.sol",
  PermissionSpender: "contracts/PermissionSpender.sol",
  SpendGrant: "contracts/SpendGrant.sol",
} as const;
export type Contract = keyof typeof contracts;

/** Creation code in hexadecimal, without 0x. */
export type Code = Readonly<Partial<Record<Contract, string>>>;

/** File by name; one character per byte. */
export type Sources = Readonly<Record<string, string>>;

type Output = {
  readonly errors?: readonly {
    readonly severity: string;
    readonly formattedMessage: string;
    readonly sourceLocation?: Range & { readonly file: string };
  }[];
  readonly sources: Readonly<Record<string, { readonly ast: AstNode }>>;
  readonly contracts?: Readonly<
    Record<
      string,
      Readonly<Record<string, { readonly evm: { readonly bytecode: { readonly object: string } } }>>
    >
  >;
};

/** As much of the optimizer as deep stacks need, and no more: it would evaluate the switches, and takes its time. */
const quick = {
  viaIR: true,
  optimizer: {
    enabled: false,
    details: { yul: true, yulDetails: { stackAllocation: true, optimizerSteps: "u" } },
  },
};
/** What is shipped (hardhat.config.ts). */
const shipped = { viaIR: true, optimizer: { enabled: true, runs: 200 } };

export const readSources = (): Sources =>
  Object.fromEntries(
    Object.entries(collectSources(Object.values(contracts))).map(([file, text]) => [
      file,
      Buffer.from(text, "utf8").toString("latin1"),
    ]),
  );

function run(
  sources: Sources,
  settings: object,
  outputs: Readonly<Record<string, readonly string[]>>,
): Output {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(
      Object.entries(sources).map(([file, text]) => [
        file,
        { content: Buffer.from(text, "latin1").toString("utf8") },
      ]),
    ),
    settings: {
      ...settings,
      evmVersion: "cancun",
      metadata: { bytecodeHash: "none", appendCBOR: false },
      outputSelection: { "*": outputs },
    },
  };
  return JSON.parse(solc.compile(JSON.stringify(input))) as Output;
}

const errorsOf = ({ errors = [] }: Output) => errors.filter(({ severity }) => severity === "error");

/** The compiler's view of each file. */
export function syntaxOf(sources: Sources): Readonly<Record<string, AstNode>> {
  const output = run(sources, {}, { "": ["ast"] });
  const [error] = errorsOf(output);
  if (error) throw new Error(error.formattedMessage);
  return Object.fromEntries(Object.entries(output.sources).map(([file, { ast }]) => [file, ast]));
}

/** Contracts that a file is part of. */
export function contractsWith(file: string, syntax: Readonly<Record<string, AstNode>>): readonly Contract[] {
  const imports = (name: string, seen = new Set<string>()): ReadonlySet<string> => {
    if (seen.has(name)) return seen;
    seen.add(name);
    for (const node of (syntax[name]?.["nodes"] ?? []) as readonly AstNode[])
      if (node.nodeType === "ImportDirective") imports(node["absolutePath"] as string, seen);
    return seen;
  };
  return (Object.keys(contracts) as Contract[]).filter((name) => imports(contracts[name]).has(file));
}

/** Creation code, or undefined where it does not compile. */
function compile(sources: Sources, names: readonly Contract[], settings: object): Code | undefined {
  const output = run(
    sources,
    settings,
    Object.fromEntries(names.map((name) => [name, ["evm.bytecode.object"]])),
  );
  if (errorsOf(output).length > 0) return undefined;
  return Object.fromEntries(
    names.map((name) => [name, output.contracts![contracts[name]]![name]!.evm.bytecode.object]),
  );
}

/** One mutant by itself, as quickly as the compiler can, or as it would be shipped. */
export const compileOne = (
  sources: Sources,
  names: readonly Contract[],
  mutant: Pick<Numbered, "file" | "at" | "text"> | null,
  how: "quick" | "shipped",
): Code | undefined =>
  compile(
    mutant ? { ...sources, [mutant.file]: changed(sources[mutant.file]!, mutant) } : sources,
    names,
    how === "quick" ? quick : shipped,
  );

/** A file with all its mutants behind switches, and the mutants that got none: they have to be compiled by themselves. */
export type Woven = { readonly code: Code; readonly woven: ReadonlySet<number> };

export function compileWoven(
  sources: Sources,
  file: string,
  names: readonly Contract[],
  mutants: readonly Numbered[],
): Woven {
  let left = mutants.filter(({ place }) => place !== "alone");
  for (;;) {
    const text = weave(sources[file]!, left);
    const output = run({ ...sources, [file]: text }, quick, { "": ["ast"] });
    const errors = errorsOf(output);
    if (errors.length === 0) break;
    const guilty = new Set(
      errors.flatMap(({ sourceLocation: at }) =>
        at?.file === file
          ? [...blamed(text, at, left), ...unassigned(text.slice(at.start, at.end), left)]
          : [],
      ),
    );
    const rest = left.filter((mutant) => !guilty.has(mutant));
    if (rest.length === left.length) throw new Error(`Switches in ${file}: ${errors[0]!.formattedMessage}`);
    left = rest;
  }
  const code = compile({ ...sources, [file]: weave(sources[file]!, left) }, names, quick);
  if (!code) throw new Error(`${file} does not compile with its switches.`);
  return { code, woven: new Set(left.map(({ id }) => id)) };
}

/** Those without which a pointer to calldata or storage, declared there, has no value: no such code compiles. */
function unassigned(declaration: string, mutants: readonly Numbered[]): readonly Numbered[] {
  const name = /\b(?:calldata|storage) (\w+)$/.exec(declaration)?.[1];
  if (name === undefined) return [];
  const assigns = new RegExp(`^${name}(\\.offset|\\.length)?\\s*:?=`);
  return mutants.filter(({ operator, before }) => operator === "statement removed" && assigns.test(before));
}

/** Numbers the mutants of a file, from `first` on. */
export function numbered(
  sources: Sources,
  mutants: readonly Omit<Numbered, "id" | "line" | "before">[],
  first: number,
): readonly Numbered[] {
  return mutants.map((mutant, index) => {
    const source = sources[mutant.file]!;
    return {
      ...mutant,
      id: first + index,
      line: source.slice(0, mutant.at.start).split("\n").length,
      before: source.slice(mutant.at.start, mutant.at.end),
    };
  });
}
