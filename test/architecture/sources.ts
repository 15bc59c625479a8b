import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export type Source = { readonly path: string; readonly text: string };
export type Import = { readonly from: string; readonly typeOnly: boolean };

export const root = path.resolve(import.meta.dirname, "../..");
const skipped = new Set(["node_modules", "dist", "artifacts", "cache", "coverage", ".git", ".state"]);

/** Every file below a folder of the repository whose name ends like this, with its path from the root. */
export function readSources(folder: string, ending: string): Source[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : readSources(file, ending);
    return file.endsWith(ending) ? [{ path: file, text: readFileSync(path.join(root, file), "utf8") }] : [];
  });
}

/** A literal or a comment, whichever begins first; a slash begins a regular expression only where a value may stand. */
const literal =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<=[=(,:[!&|?{};\n]\s*|return\s+)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[dgimsuvy]*/g;
const isComment = (text: string): boolean => text.startsWith("//") || text.startsWith("/*");
const blank = (text: string): string => text.replaceAll(/[^\n]/g, " ");

export const withoutComments = (text: string): string =>
  text.replaceAll(literal, (found) => (isComment(found) ? blank(found) : found));

/** What a file does, without what it says: literals are emptied, code inside `${…}` stays. */
export const codeOnly = (text: string): string =>
  text.replaceAll(literal, (found) => {
    if (isComment(found)) return blank(found);
    const code = found.startsWith("`") ? [...found.matchAll(/\$\{([^}]*)\}/g)].map(([, inner]) => inner) : [];
    return `"${code.join(" ")}"${"\n".repeat(found.split("\n").length - 1)}`;
  });

export function importsOf(source: Source): Import[] {
  const text = withoutComments(source.text);
  const statements = text.matchAll(
    /^\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s*from\s*)?["']([^"']+)["']/gm,
  );
  const calls = text.matchAll(
    /\b(?:import|require|require\.resolve|import\.meta\.resolve)\s*\(\s*["']([^"']+)["']/g,
  );
  return [
    ...[...statements].map(([, type, from = ""]) => ({ from, typeOnly: type !== undefined })),
    ...[...calls].map(([, from = ""]) => ({ from, typeOnly: false })),
  ];
}

/** The repository path a relative import names. */
export const resolveImport = (source: Source, from: string): string =>
  path.posix.join(path.posix.dirname(source.path), from);
