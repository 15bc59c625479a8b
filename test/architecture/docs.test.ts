import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { readSources, root, type Source } from "./sources.ts";

const documents = readSources(".", ".md");
const scripts = new Set(
  Object.keys((JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as Manifest).scripts),
);
const commandLine = path.join(root, "src/cli/main.ts");
const commands = existsSync(commandLine) ? readFileSync(commandLine, "utf8") : "";

type Manifest = { readonly scripts: Record<string, string> };
const found = (document: Source, pattern: RegExp): string[] =>
  [...document.text.matchAll(pattern)].map(([, name = ""]) => name);

/** Paths from the root of the repository; patterns (`*`, `<name>`, `NNNN`, `…`) name no single file. */
const missingPaths = (document: Source): string[] =>
  found(
    document,
    /(?<![\w./@-])((?:src|test|docs|contracts|scripts|examples|policies|models|bench|bin|toolchain)\/[\w./*<>…{}-]*)/g,
  )
    .filter((name) => !/[*<>…{}]|NNNN/.test(name))
    .map((name) => name.replace(/[.-]+$/, ""))
    .filter((name) => !existsSync(path.join(root, name)))
    .map((name) => `${document.path} names ${name}, which is not there`);

const missingScripts = (document: Source): string[] =>
  found(document, /\bnpm (?:run|run-script) (?:--?[\w-]+ )*([a-z][\w:-]*)/g)
    .filter((name) => !scripts.has(name))
    .map((name) => `${document.path} names npm run ${name}, which is not in package.json`);

const missingCommands = (document: Source): string[] =>
  found(document, /\bnpx bursar ([a-z][\w-]*)/g)
    .filter((name) => !new RegExp(`\\b${name}\\b`).test(commands))
    .map((name) => `${document.path} names npx bursar ${name}, which src/cli/main.ts does not know`);

describe("documents", () => {
  const bad = {
    path: "BAD.md",
    text: "See `src/nowhere.ts`. Run `npm run --silent nothing` or `npx bursar frobnicate`.",
  };

  test("name only paths that exist", () => {
    expect(missingPaths(bad)).toHaveLength(1);
    expect(
      missingPaths({
        path: "GOOD.md",
        text: "test/unit/<room>/, docs/decisions/NNNN-title.md, src/…, scripts/test.ts.",
      }),
    ).toEqual([]);
    expect(documents.flatMap(missingPaths)).toEqual([]);
  });

  test("name only npm scripts that exist", () => {
    expect(missingScripts(bad)).toHaveLength(1);
    expect(documents.flatMap(missingScripts)).toEqual([]);
  });

  test("name only commands that exist", () => {
    expect(missingCommands(bad)).toHaveLength(1);
    expect(documents.flatMap(missingCommands)).toEqual([]);
  });
});
