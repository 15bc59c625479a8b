import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { plainReader, scriptedEngine, type ScriptedEngine } from "../doubles/scriptedEngine.ts";

const logOf = (state: string) => join(state, "inferences.ndjson");

/** A scripted engine that writes down each of its runs outside of the journal, so that a repeated one shows. */
export function loggingEngine(state: string): ScriptedEngine {
  return scriptedEngine(plainReader, ({ outputTokens }) =>
    appendFileSync(logOf(state), `${JSON.stringify(outputTokens)}\n`),
  );
}

/** Token ids of every run so far, in all processes. */
export function inferencesOf(state: string): readonly string[] {
  return existsSync(logOf(state)) ? readFileSync(logOf(state), "utf8").trimEnd().split("\n") : [];
}
