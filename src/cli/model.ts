import { defineCommand, type CommandDef } from "citty";
import type { Hex } from "viem";

import { BaseError } from "../core/errors.ts";
import type { AddedModel, ModelManifest, StoreListing } from "../runtime/models.ts";
import { oneLine } from "./oneLine.ts";

const json = { type: "boolean", description: "One JSON document on stdout.", default: false } as const;
const store = {
  type: "string",
  description: "The store's folder; $BURSAR_HOME/models or ~/.bursar/models when not given.",
  valueHint: "dir",
} as const;

const print = (lines: readonly string[]): void =>
  void process.stdout.write(lines.map((line) => `${oneLine(line)}\n`).join(""));
const printJson = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

/** A bar or lines on stderr: stdout is for the result. */
async function openProgress() {
  const [{ progressOn }, { now }] = await Promise.all([
    import("./modelProgress.ts"),
    import("../runtime/clock.ts"),
  ]);
  return progressOn({
    isTTY: process.stderr.isTTY,
    write: (text) => void process.stderr.write(text),
    nowMs: now,
  });
}

const addCommand = defineCommand({
  meta: {
    name: "add",
    description:
      "Brings a model into the store and pins its sha256. Example: bursar model add hf:Qwen/Qwen3-4B-GGUF:Q8_0 --name qwen3-4b",
  },
  args: {
    from: {
      type: "positional",
      description:
        "A path, hf:user/model:quant, hf:user/model/file.gguf#revision, an https URL, or ipfs:CID.",
      required: true,
    },
    name: {
      type: "string",
      description: "What to call it; the file's name when not given.",
      valueHint: "name",
    },
    sha256: {
      type: "string",
      description:
        "What the file must hash to; without it, the publisher's word or the first file is pinned.",
      valueHint: "0x…",
    },
    link: {
      type: "boolean",
      description: "Hard link instead of a copy (a path on the same disk).",
      default: false,
    },
    licence: {
      type: "string",
      description: "Its licence, for the manifest; what the file says when not given.",
      valueHint: "name",
    },
    signature: {
      type: "string",
      description: "A signature of the publisher, for the manifest. It is kept, not checked.",
      valueHint: "text",
    },
    endpoint: { type: "string", description: "The hub, where it is not huggingface.co.", valueHint: "url" },
    gateway: { type: "string", description: "The IPFS gateway to fetch from.", valueHint: "url" },
    deadline: {
      type: "string",
      description: "Minutes that it may take in all; what came stays for the next attempt.",
      default: "360",
      valueHint: "minutes",
    },
    store,
    json,
  },
  async run({ args }) {
    const sha256 = sha256Of(args.sha256);
    const deadlineMs = minutes(args.deadline);
    const [{ addToStore, ModelAddAbortedError }, progress] = await Promise.all([
      import("../runtime/models.ts"),
      openProgress(),
    ]);
    const stopping = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
    try {
      const added = await addToStore({
        from: args.from,
        name: args.name,
        sha256,
        link: args.link,
        licence: args.licence,
        signature: args.signature,
        endpoint: args.endpoint,
        gateway: args.gateway,
        store: args.store,
        deadlineMs,
        signal: stopping.signal,
        onProgress: progress.show,
      });
      progress.end();
      if (args.json) printJson({ ...added.manifest, path: added.path, already: added.already });
      else print(inWords(added));
    } catch (error) {
      progress.end();
      if (!(error instanceof ModelAddAbortedError)) throw error;
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 130;
    }
  },
});

function sha256Of(text: string | undefined): Hex | undefined {
  if (text === undefined) return undefined;
  const [, digits] = /^(?:0x)?([0-9a-f]{64})$/i.exec(text) ?? [];
  if (digits !== undefined) return `0x${digits.toLowerCase()}`;
  throw new BaseError(`"${text.slice(0, 100)}" is no sha256.`, { remedy: "Write 0x and 64 hex digits." });
}

function minutes(text: string): number {
  const value = Number(text);
  // Timers count milliseconds in 31 bits.
  if (value > 0 && value <= 30_000) return Math.ceil(value * 60_000);
  throw new BaseError(`"${text.slice(0, 100)}" is no deadline.`, { remedy: "Write minutes, up to 30000." });
}

function inWords({ manifest, already }: AddedModel): readonly string[] {
  const { name, sha256, source, revision, licence } = manifest;
  return [
    already ? `${name} is in the store already; its hash holds.` : `${name} is in the store.`,
    `  sha256   ${sha256}`,
    `  source   ${source}${revision === null ? "" : ` at ${revision}`}`,
    `  licence  ${licence ?? "not said"}`,
    trustIn(manifest),
    `In a configuration: "model": { "name": "${name}" }`,
  ];
}

/** Who vouches for the hash, in a sentence that does not flatter. */
function trustIn({ pinnedBy, cid }: ModelManifest): string {
  if (pinnedBy === "owner") return "The file is the one whose sha256 you gave.";
  if (pinnedBy === "publisher") return "The file is the one whose sha256 the publisher names.";
  if (pinnedBy === "cid")
    return "The file is the one that the CID names, block for block: the gateway could not have changed it.";
  return cid === null
    ? "Nobody named its sha256: the one above is pinned from now on. Compare it with a source that you trust."
    : "The gateway does not show the blocks that the CID names: that the file is made of them is its word. The sha256 is pinned from now on.";
}

const listCommand = defineCommand({
  meta: {
    name: "list",
    description: "Lists the store; hashes are checked by inspect. Example: bursar model list --json",
  },
  args: { store, json },
  async run({ args }) {
    const [{ listStore }, { bytes }] = await Promise.all([
      import("../runtime/models.ts"),
      import("./modelProgress.ts"),
    ]);
    const listing: StoreListing = await listStore(args.store);
    const { models, unfinished, broken } = listing;
    if (args.json)
      return printJson({
        models: models.map(({ manifest, path, state }) => ({ ...manifest, path, state })),
        unfinished,
        broken,
      });
    if (models.length + unfinished.length + broken.length === 0)
      return print(["The store is empty. Add a model: bursar model add --help"]);
    const width = Math.max(...models.map(({ manifest }) => manifest.name.length), 0);
    print([
      ...models.map(
        ({ manifest: { name, sizeBytes, sha256, source }, state }) =>
          `${name.padEnd(width)}  ${bytes(sizeBytes).padStart(8)}  ${sha256}  ${source}${state === "there" ? "" : `  (its file has ${state === "missing" ? "gone" : "another size"})`}`,
      ),
      ...unfinished.map(
        ({ name, doneBytes, totalBytes }) =>
          `${name}: unfinished, ${bytes(doneBytes)}${totalBytes === null ? "" : ` of ${bytes(totalBytes)}`}; add it again to go on`,
      ),
      ...broken.map((file) => `${file}: a manifest that can't be read`),
    ]);
  },
});

const inspectCommand = defineCommand({
  meta: {
    name: "inspect",
    description:
      "Says what a model file is and hashes it, without running it. Example: bursar model inspect models/clerk/clerk-q8_0.gguf --json",
  },
  args: {
    what: { type: "positional", description: "A GGUF file, or a name of the store.", required: true },
    store,
    json,
  },
  async run({ args }) {
    const [{ inspectFileOrName }, { bytes }, progress] = await Promise.all([
      import("../runtime/models.ts"),
      import("./modelProgress.ts"),
      openProgress(),
    ]);
    // A file that is hashed in a blink needs no bar.
    const started = performance.now();
    const { path, inspection, manifest } = await inspectFileOrName(args.what, args.store, (permille) => {
      if (performance.now() - started > 2000) progress.show({ kind: "hashed", permille });
    }).finally(progress.end);
    if (args.json) return printJson({ ...inspection, path, manifest });
    const { memory } = inspection;
    const rows: readonly (readonly [string, string])[] = [
      ["file", path],
      ["sha256", inspection.sha256],
      ["size", bytes(inspection.sizeBytes)],
      ["architecture", inspection.architecture],
      ["parameters", String(inspection.parameters)],
      ["quantization", inspection.quantization],
      ["context", inspection.contextLength === 0 ? "not said" : `${inspection.contextLength} tokens`],
      ["template", inspection.template === null ? "none" : `sha256 ${inspection.templateSha256}`],
      ["tokenizer", `sha256 ${inspection.tokenizerSha256}`],
      ["licence", inspection.licence ?? "not said"],
      [
        "memory",
        `about ${bytes(memory.weightsBytes)}${memory.contextBytesPerToken === null ? "" : `, and ${bytes(memory.contextBytesPerToken * 1024)} for each 1024 tokens of context`}`,
      ],
      [
        "canonical",
        inspection.canonical
          ? "yes: a re-check in one pass is bit-exact on one class of processors"
          : "no: a re-check in one pass is within a tolerance; running it again is exact all the same",
      ],
      ...(manifest
        ? ([["store", `${manifest.name}, the hash holds; added ${manifest.added}`]] as const)
        : []),
    ];
    print(rows.map(([key, value]) => `${`${key}:`.padEnd(14)}${value}`));
  },
});

const removeCommand = defineCommand({
  meta: {
    name: "remove",
    description:
      "Deletes a model from the store, or what was begun of it. Example: bursar model remove qwen3-4b",
  },
  args: {
    name: { type: "positional", description: "Its name.", required: true },
    yes: { type: "boolean", description: "Don't ask.", default: false },
    store,
    json,
  },
  async run({ args }) {
    const [{ filesInStore, removeFromStore }, { agreed }] = await Promise.all([
      import("../runtime/models.ts"),
      import("./ownerArguments.ts"),
    ]);
    const files = await filesInStore(args.name, args.store);
    const sure = await agreed(`Delete ${files.join(", ")}?`, args, "Add --yes.");
    const removed = sure ? await removeFromStore(args.name, args.store) : [];
    if (args.json) printJson({ name: args.name, removed });
    else print(sure ? removed.map((file) => `deleted ${file}`) : ["Nothing was done."]);
  },
});

const calibrateCommand = defineCommand({
  meta: {
    name: "calibrate",
    description:
      "Measures how far honest runs of a model go apart, and writes the tolerance for re-checks beside its file. Example: bursar model calibrate qwen3-4b",
  },
  args: {
    model: { type: "positional", description: "A file, or a name in the store.", required: true },
    prompts: {
      type: "string",
      description: "JSONL of prompts to run; general ones when not given.",
      valueHint: "file",
    },
    store,
    json,
  },
  async run({ args }) {
    const [{ calibrateModel }, { modelFileOf }, progress] = await Promise.all([
      import("../runtime/calibrateModel.ts"),
      import("../runtime/models.ts"),
      openProgress(),
    ]);
    const stopping = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
    const { path: modelPath } = await modelFileOf(args.model, args.store);
    const found = await calibrateModel({
      modelPath,
      prompts: args.prompts,
      signal: stopping.signal,
      onProgress: (done, all) =>
        progress.show({ kind: "compared", permille: Math.floor((done * 1000) / all) }),
    }).finally(() => progress.end());
    if (args.json) return printJson(found);
    const { runs, tolerance, worst } = found;
    print([
      `${runs} records of ${found.model.file} were checked by another honest program: ${found.compared.join("; ")}.`,
      `The worst: a token ${worst.marginMilli} thousandths of a logit below the best, a fingerprint off by ${worst.fingerprintMilli}, ${worst.flipsPermille} of a thousand tokens not the best.`,
      `Tolerated from now on: ${tolerance.marginMilli}, ${tolerance.fingerprintMilli}, ${tolerance.flipsPermille} (${found.file}).`,
    ]);
  },
});

export const modelCommand: CommandDef = defineCommand({
  meta: { name: "model", description: "The store of model files: add, list, inspect, calibrate, remove." },
  subCommands: {
    add: addCommand,
    list: listCommand,
    inspect: inspectCommand,
    calibrate: calibrateCommand,
    remove: removeCommand,
  },
});
