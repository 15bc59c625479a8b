import { codeOnly, importsOf, resolveImport, type Source } from "./sources.ts";

/** The rooms of the design and the rooms each may look into. */
const mayImport: Record<string, readonly string[]> = {
  core: [],
  policy: ["core"],
  agents: ["core", "policy"],
  inference: ["core", "policy"],
  chain: ["core", "policy"],
  delegation: ["core", "policy"],
  journal: ["core", "policy"],
  mail: ["core", "policy"],
  runtime: ["core", "policy", "agents", "inference", "chain", "delegation", "journal", "mail"],
  cli: ["runtime", "policy", "journal", "core", "agents", "testing"],
  dashboard: ["runtime", "policy", "journal", "core"],
  testing: ["core", "chain", "policy"],
  "index.ts": ["runtime", "agents", "core", "policy"],
};

/** Pure rooms run in a browser as well: these packages and nothing of Node. */
const purePackages: Record<string, readonly string[]> = {
  core: ["zod", "viem", "@noble/hashes"],
  policy: ["zod", "viem", "yaml"],
  agents: ["zod", "viem"],
};

/** Packages that belong to certain places: a room, a file. */
const ownersOf: Record<string, readonly string[]> = {
  "node-llama-cpp": ["src/inference/"],
  hardhat: ["src/testing/"],
  "postal-mime": ["src/mail/"],
  mailauth: ["src/mail/"],
  "html-to-text": ["src/mail/"],
  "node:sqlite": ["src/journal/"],
  kysely: ["src/journal/"],
  yaml: ["src/policy/", "src/runtime/config.ts"],
  citty: ["src/cli/"],
  xstate: ["src/runtime/"],
  permissionless: ["src/chain/"],
  "@walletconnect/sign-client": ["src/delegation/"],
  "@walletconnect/core": ["src/delegation/"],
  "@walletconnect/types": ["src/delegation/"],
  "@walletconnect/utils": ["src/delegation/"],
  ws: ["src/delegation/", "src/testing/relay/"],
};

/** Things of the outside world that are handed in, and the places that may reach for them. */
const reaches = {
  environment: {
    pattern: /\bprocess\.env\b/,
    allowed: ["src/runtime/config.ts", "src/cli/", "src/testing/"],
  },
  time: { pattern: /\bDate\.now\b|\bnew Date\(\s*\)/, allowed: ["src/runtime/clock.ts", "src/testing/"] },
  chance: {
    pattern: /\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\bgetRandomValues\b/,
    allowed: ["src/runtime/clock.ts", "src/testing/"],
  },
  console: { pattern: /\bconsole\./, allowed: ["src/cli/"] },
};

const roomOf = (path: string): string => path.split("/")[1] ?? "";
const packageOf = (from: string): string => {
  const [first = "", second = ""] = from.split("/");
  return first.startsWith("@") ? `${first}/${second}` : first;
};
const isAt = (path: string, places: readonly string[]): boolean =>
  places.some((place) => path.startsWith(place));

export const wrongEdges = (sources: readonly Source[]): string[] =>
  sources.flatMap((source) =>
    importsOf(source)
      .filter(({ from }) => from.startsWith("."))
      .map(({ from }) => resolveImport(source, from))
      .filter((target) => !mayLookInto(source.path, target))
      .map((target) => `${source.path} must not import ${target}`),
  );

function mayLookInto(path: string, target: string): boolean {
  if (!target.startsWith("src/")) return target === "package.json";
  const [room, other] = [roomOf(path), roomOf(target)];
  return room === other || (mayImport[room]?.includes(other) ?? false);
}

export const unknownRooms = (sources: readonly Source[]): string[] =>
  [...new Set(sources.map(({ path }) => roomOf(path)))]
    .filter((room) => mayImport[room] === undefined)
    .map((room) => `src/${room} is no room of the design`);

export const wrongPackages = (sources: readonly Source[]): string[] =>
  sources.flatMap((source) =>
    importsOf(source)
      .filter(({ from }) => !from.startsWith("."))
      .filter(({ from }) => !mayUse(source.path, packageOf(from)))
      .map(({ from }) => `${source.path} must not import ${from}`),
  );

function mayUse(path: string, name: string): boolean {
  const pure = purePackages[roomOf(path)];
  const owners = ownersOf[name];
  return (pure === undefined || pure.includes(name)) && (owners === undefined || isAt(path, owners));
}

export const reachesFor =
  (thing: keyof typeof reaches) =>
  (sources: readonly Source[]): string[] =>
    sources
      .filter(({ path }) => !isAt(path, reaches[thing].allowed))
      .flatMap(({ path, text }) =>
        codeOnly(text)
          .split("\n")
          .flatMap((line, index) =>
            reaches[thing].pattern.test(line)
              ? [`${path}:${index + 1} must be handed this, not reach for it: ${line.trim()}`]
              : [],
          ),
      );

/** Cycles of imports that exist at run time; each is told once, from its first file on. */
export function cycles(sources: readonly Source[]): string[] {
  const edges = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source)
        .filter(({ from, typeOnly }) => from.startsWith(".") && !typeOnly)
        .map(({ from }) => resolveImport(source, from)),
    ]),
  );
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push([...trail.slice(start), path].join(" → "));
    if (start >= 0 || done.has(path)) return;
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

const atticName =
  /(^|\/)(utils?|common|helpers?|managers?|services?)(\/|\.|$)|(Utils?|Helpers?|Manager|Service)\.\w+$/;

export const attics = (sources: readonly Source[]): string[] =>
  sources.filter(({ path }) => atticName.test(path)).map(({ path }) => `${path} is named after no subject`);

export const longFiles = (sources: readonly Source[]): string[] =>
  sources
    .filter(({ path, text }) => !path.startsWith("src/chain/abi/") && text.trimEnd().split("\n").length > 400)
    .map(({ path }) => `${path} wants to become two files`);

export const interfaces = (sources: readonly Source[]): string[] =>
  sources
    .filter(({ text }) => /^\s*(export\s+)?(declare\s+)?interface\s+\w/m.test(codeOnly(text)))
    .map(({ path }) => `${path} declares an interface; write a type`);

/** Events, errors and functions of a Solidity interface that nobody has explained. */
export const unexplained = (sources: readonly Source[]): string[] =>
  sources.flatMap(({ path, text }) => {
    const lines = text.split("\n").map((line) => line.trim());
    return lines.flatMap((line, index) =>
      /^(interface|event|error|function)\s+\w/.test(line) &&
      !/^(\/\/\/|\*\/|\/\*\*.*\*\/$)/.test(lines[index - 1] ?? "")
        ? [`${path}:${index + 1} has no NatSpec: ${line}`]
        : [],
    );
  });
