import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { BaseError } from "../../../src/core/errors.ts";
import { readConfig } from "../../../src/runtime/config.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bursar-config-"));
});
afterAll(() => rm(folder, { recursive: true }));

const right = {
  chain: { rpc: "http://127.0.0.1:8545", chainId: 31337 },
  account: "0x359e534d4c79745c3c0a0bc80d80cfae9e82699e",
  policy: "policy.yaml",
  keystore: "agent.json",
  bundler: { kind: "own", keystore: "purse.json" },
  model: { file: "model.gguf", sha256: `0x${"ab".repeat(32)}` },
  state: "state",
};

async function read(content: unknown) {
  await writeFile(
    join(folder, "bursar.json"),
    typeof content === "string" ? content : JSON.stringify(content),
  );
  return readConfig(join(folder, "bursar.json"));
}
/** The error's message, with the temporary folder taken out. */
const said = async (content: unknown): Promise<string> =>
  read(content).then(
    () => "read",
    (error: unknown) => {
      if (!(error instanceof BaseError)) throw error;
      return error.message.replaceAll(folder, "<folder>");
    },
  );

describe("readConfig", () => {
  it("fills in what may be left out, and makes every path absolute from the file's folder", async () => {
    expect(await read(right)).toEqual({
      chain: { ...right.chain, finality: { tag: "finalized" } },
      account: "0x359e534d4C79745c3c0A0BC80d80cfAe9e82699e",
      policy: join(folder, "policy.yaml"),
      keystore: join(folder, "agent.json"),
      bundler: { kind: "own", keystore: join(folder, "purse.json") },
      model: {
        file: join(folder, "model.gguf"),
        sha256: right.model.sha256,
        mode: "auto",
        threads: 1,
      },
      state: join(folder, "state"),
    });
  });

  it("resolves password files, and leaves a bundler's URL alone", async () => {
    const bundler = { kind: "rpc", url: "https://bundler.example/key" };
    const config = await read({ ...right, passwordFile: "secrets/agent", bundler });
    expect(config.passwordFile).toBe(join(folder, "secrets", "agent"));
    expect(config.bundler).toEqual(bundler);
  });

  it("takes further bundlers to fall back on, one of them in the process at most", async () => {
    const rpc = { kind: "rpc", url: "https://bundler.example/key" };
    const own = { kind: "own", keystore: "purse.json", passwordFile: "password" };
    expect((await read({ ...right, bundler: { ...rpc, fallback: [own] } })).bundler).toEqual({
      ...rpc,
      fallback: [
        { kind: "own", keystore: join(folder, "purse.json"), passwordFile: join(folder, "password") },
      ],
    });
    expect(await said({ ...right, bundler: { ...own, fallback: [rpc, own] } })).toMatch(
      /one purse is enough/,
    );
    expect(await said({ ...right, bundler: { ...rpc, fallback: [{ ...rpc, fallback: [rpc] }] } })).toMatch(
      /fallback/,
    );
  });

  it("takes a paymaster's service, and passes its context on", async () => {
    const paymaster = { url: "https://paymaster.example/key", context: { policyId: "p1", tags: ["a"] } };
    expect((await read({ ...right, paymaster })).paymaster).toEqual(paymaster);
    expect(await said({ ...right, paymaster: { url: "ftp://paymaster.example" } })).toMatch(/paymaster\.url/);
  });

  it("tells every mistake at once", async () => {
    const text = await said({
      ...right,
      chain: { rpc: "ws://127.0.0.1", chainId: "1", finality: { depth: -1 } },
      account: "0x359E534d4c79745c3c0a0bc80d80cfae9e82699e",
      model: { file: "", sha256: "AB", threads: 0 },
      privateKey: "0x00",
    });
    expect(text).toMatchInlineSnapshot(`
      "The configuration has 8 mistakes.
      Correct it and start again.
        config:               <folder>/bursar.json
        chain.rpc:            Invalid URL
        chain.chainId:        Invalid input: expected number, received string
        chain.finality.depth: Too small: expected number to be >=0
        account:              has to be an address
        model.file:           Too small: expected string to have >=1 characters
        model.sha256:         has to be 0x and 64 lower-case hex digits
        model.threads:        Too small: expected number to be >=1
        file:                 Unrecognized key: "privateKey""
    `);
  });

  it("tells one mistake as one", async () => {
    expect(await said({ ...right, state: undefined })).toMatchInlineSnapshot(`
      "The configuration has a mistake.
      Correct it and start again.
        config: <folder>/bursar.json
        state:  Invalid input: expected string, received undefined"
    `);
  });

  it("refuses keys it does not know, so that no typo is ignored", async () => {
    expect(await said({ ...right, polcy: "x" })).toMatch(/polcy/);
    expect(await said({ ...right, bundler: { ...right.bundler, url: "http://x.example" } })).toMatch(/url/);
    expect(await said({ ...right, bundler: { kind: "alto" } })).toMatch(/bundler/);
  });

  it("takes a GPU as a condition, and not where the mode computes on the CPU", async () => {
    const model = { ...right.model, gpu: "required" };
    expect((await read({ ...right, model })).model).toMatchObject({ gpu: "required", mode: "auto" });
    expect(await said({ ...right, model: { ...model, mode: "canonical" } })).toMatch(
      /model\.gpu: +is not for canonical mode/,
    );
  });

  it("takes deadlines by phase, for a model of its own", async () => {
    const deadlines = { loadMs: 600_000, prefillMs: 30_000, generationMs: 300_000 };
    expect((await read({ ...right, model: { ...right.model, deadlines } })).model).toMatchObject({
      deadlines,
    });
    const soon = { ...right.model, deadlines: { prefillMs: 1, thinkMs: 9 } };
    expect(await said({ ...right, model: soon })).toMatch(/prefillMs[^]*thinkMs/);
  });

  it("takes a model of the store by its name, with the hash that is pinned there", async () => {
    const manifest = {
      name: "clerk",
      file: "clerk.gguf",
      sha256: `0x${"cd".repeat(32)}`,
      pinnedBy: "owner",
      sizeBytes: 4,
      source: "a",
      asked: "a",
      revision: null,
      licence: null,
      cid: null,
      signature: null,
      added: "2026-01-02T00:00:00.000Z",
    };
    await mkdir(join(folder, "models"));
    await writeFile(join(folder, "models", "clerk.json"), JSON.stringify(manifest));
    const named = { name: "clerk", store: "models" };
    expect(await said({ ...right, model: named })).toMatch(/^The file of the model "clerk" is missing/);
    await writeFile(join(folder, "models", "clerk.gguf"), "GGUF");
    expect(
      (await read({ ...right, model: { ...named, threads: 2, sequences: 4, cpuVariant: "best" } })).model,
    ).toEqual({
      file: join(folder, "models", "clerk.gguf"),
      sha256: manifest.sha256,
      mode: "auto",
      threads: 2,
      sequences: 4,
      cpuVariant: "best",
    });
    expect(await said({ ...right, model: { ...named, sha256: right.model.sha256 } })).toMatch(
      /^The model of that name is not the one that the configuration means\./,
    );
    expect(await said({ ...right, model: { ...named, name: "other" } })).toMatch(/There is no model "other"/);
  });

  it("takes a file with a hash, or a name, but not a bit of each", async () => {
    expect(await said({ ...right, model: { file: "model.gguf" } })).toMatch(
      /model\.sha256: +has to be given/,
    );
    expect(await said({ ...right, model: {} })).toMatch(/model\.file: +has to be given, or a name/);
    expect(await said({ ...right, model: { ...right.model, name: "x" } })).toMatch(
      /model\.file: +is not for/,
    );
    expect(await said({ ...right, model: { ...right.model, store: "x" } })).toMatch(/model\.store: +is only/);
  });

  it("says that a file is missing, and which", async () => {
    const error = await readConfig(join(folder, "none.json")).catch((thrown: unknown) => thrown);
    expect((error as Error).message.replaceAll(folder, "<folder>")).toMatchInlineSnapshot(`
      "There is no configuration file.
      Name one with --config; docs/architecture.md shows what it holds.
        config: <folder>/none.json
        detail: ENOENT: no such file or directory, open '<folder>/none.json'"
    `);
  });

  it("says that a file is no JSON", async () => {
    expect(await said("{ chain: ")).toMatch(
      /^The configuration file is not JSON.\nCorrect it and start again.\n/,
    );
  });

  it("takes a server in the file's place, with the path of its key", async () => {
    const remote = { url: "https://models.example/v1", profile: "vllm", model: "qwen" };
    expect((await read({ ...right, model: { remote } })).model).toEqual({
      remote: { ...remote, allowHttp: false, deadlineMs: 60_000 },
    });
    const more = { ...remote, apiKeyFile: "key", contextSize: 8192, deadlineMs: 5000, logprobs: false };
    expect((await read({ ...right, model: { remote: more } })).model).toEqual({
      remote: { ...more, allowHttp: false, apiKeyFile: join(folder, "key") },
    });
    expect(await said({ ...right, model: { ...right.model, remote } })).toMatch(
      /2 mistakes[^]*model\.file: +is not for a remote[^]*model\.sha256: +is not for a remote/,
    );
    expect(await said({ ...right, model: { remote: { ...remote, profile: "mine", apiKey: "sk" } } })).toMatch(
      /model\.remote\.profile[^]*Unrecognized key: "apiKey"/,
    );
  });

  it("takes engines to fall back on, each like the first, and a second server to ask", async () => {
    const remote = { url: "https://models.example", profile: "vllm", model: "qwen" };
    const hedge = { url: "https://other.example", apiKeyFile: "other" };
    const fallback = [{ remote: { ...remote, hedge } }, { file: "small.gguf", sha256: right.model.sha256 }];
    const local = { sha256: right.model.sha256, mode: "auto", threads: 1 };
    expect((await read({ ...right, model: { ...right.model, fallback } })).model).toEqual({
      ...local,
      file: join(folder, "model.gguf"),
      deadlineMs: 120_000,
      fallback: [
        {
          remote: {
            ...remote,
            allowHttp: false,
            deadlineMs: 60_000,
            hedge: { ...hedge, apiKeyFile: join(folder, "other"), minSamples: 20 },
          },
        },
        { ...local, file: join(folder, "small.gguf") },
      ],
    });
    expect(await said({ ...right, model: { ...right.model, deadlineMs: 1000 } })).toMatch(
      /model\.deadlineMs/,
    );
    expect(await said({ ...right, model: { ...right.model, fallback: [{ name: "x", file: "y" }] } })).toMatch(
      /model\.fallback\.0\.file: +is not for models that are named/,
    );
    expect(await said({ ...right, model: { remote: { ...remote, hedge: { apiKeyFile: "key" } } } })).toMatch(
      /hedge\.apiKeyFile: +is only for another server/,
    );
  });
});
