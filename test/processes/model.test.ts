import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import manifest from "../../models/clerk/manifest.json" with { type: "json" };
import { startModelServer, type ModelServer } from "../doubles/modelServer.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
const clerk = join(import.meta.dirname, "../../models/clerk/clerk-q8_0.gguf");
const gguf = readFileSync(clerk);
let folder: string;
let server: ModelServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bursar-model-"));
  server = await startModelServer();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => rmSync(join(folder, "home"), { recursive: true, force: true }));

const env = () => ({ ...process.env, BURSAR_HOME: "home", NODE_COMPILE_CACHE: join(folder, "compiled") });
const node = ["--disable-warning=ExperimentalWarning", "--conditions=source", main, "model"];

function start(words: readonly string[], limitKiB?: number) {
  const options = { cwd: folder, env: env(), stdio: ["ignore", "pipe", "pipe"] } as const;
  const child =
    limitKiB === undefined
      ? spawn(process.execPath, [...node, ...words], { ...options, stdio: [...options.stdio] })
      : spawn("bash", ["-c", `ulimit -f ${limitKiB}; exec "$0" "$@"`, process.execPath, ...node, ...words], {
          ...options,
          stdio: [...options.stdio],
        });
  const ended = Promise.all([once(child, "close"), text(child.stdout), text(child.stderr)]).then(
    ([[status], stdout, stderr]) => ({ status: status as number | null, stdout, stderr }),
  );
  return { child, ended };
}
const model = (...words: readonly string[]) => start(words).ended;
const inStore = () => readdirSync(join(folder, "home", "models")).sort((a, b) => (a < b ? -1 : 1));

describe("bursar model", () => {
  it("shows its commands, and an example of each", async () => {
    const { stdout } = await model("--help");
    for (const command of ["add", "list", "inspect", "remove"])
      expect(stdout).toMatch(new RegExp(`${command} .*Example: bursar model ${command}`));
    expect((await model("add", "--help")).stdout).toMatch(/--gateway[^]*--deadline/);
  });

  it("adds from a hub, lists, inspects and removes, in words", async () => {
    server.serve("/v2/user/Clerk-GGUF/manifests/Q8_0", {
      body: Buffer.from(
        JSON.stringify({ ggufFile: { rfilename: "clerk.gguf", lfs: { sha256: manifest.sha256.slice(2) } } }),
      ),
    });
    server.serve("/user/Clerk-GGUF/resolve/main/clerk.gguf", { body: gguf });
    const added = await model("add", "hf:user/Clerk-GGUF:Q8_0", "--endpoint", server.url, "--name", "clerk");
    expect(added.status).toBe(0);
    expect(added.stdout).toBe(
      [
        "clerk is in the store.",
        `  sha256   ${manifest.sha256}`,
        "  source   hf:user/Clerk-GGUF/clerk.gguf",
        "  licence  MIT",
        "The file is the one whose sha256 the publisher names.",
        'In a configuration: "model": { "name": "clerk" }',
        "",
      ].join("\n"),
    );
    expect(added.stderr).toMatch(/^fetching \d+ % .*\n[^]*fetching 100 % {2}3\.8 MB of 3\.8 MB\n/);
    expect((await model("list")).stdout).toBe(
      `clerk    3.8 MB  ${manifest.sha256}  hf:user/Clerk-GGUF/clerk.gguf\n`,
    );
    expect((await model("inspect", "clerk")).stdout).toMatch(
      /sha256: +0xaddb[^]*store: +clerk, the hash holds/,
    );
    expect(await model("remove", "clerk")).toMatchObject({
      status: 1,
      stdout: "",
      stderr: "Nobody is there to say yes.\nAdd --yes.\n",
    });
    expect(await model("remove", "clerk", "--yes")).toMatchObject({ status: 0, stderr: "" });
    expect((await model("list")).stdout).toMatch(/^The store is empty/);
    expect((await model("remove", "clerk", "--yes")).stderr).toMatch(
      /^There is no model "clerk" in the store\./,
    );
  });

  it("answers in JSON, and nothing else on stdout", async () => {
    const json = async (...words: readonly string[]): Promise<unknown> =>
      JSON.parse((await model(...words, "--json")).stdout);
    const added = {
      name: "clerk",
      sha256: manifest.sha256,
      pinnedBy: "first use",
      source: clerk,
      already: false,
    };
    expect(await json("add", clerk, "--name", "clerk")).toMatchObject(added);
    expect(await json("add", clerk, "--name", "clerk")).toMatchObject({ ...added, already: true });
    expect(await json("list")).toMatchObject({
      models: [{ name: "clerk", state: "there" }],
      unfinished: [],
      broken: [],
    });
    expect(await json("inspect", clerk)).toMatchObject({
      sha256: manifest.sha256,
      architecture: "llama",
      parameters: 3_461_568,
      quantization: "Q8_0",
      contextLength: 1024,
      template: expect.any(String),
      canonical: true,
      manifest: null,
    });
    writeFileSync(
      join(folder, "home", "models", "clerk.gguf"),
      Buffer.concat([gguf.subarray(0, -1), Buffer.of(1)]),
    );
    expect(await json("inspect", "clerk")).toMatchObject({
      error: { name: "ModelHashMismatchError", facts: { expected: manifest.sha256 } },
    });
    expect(await json("remove", "clerk", "--yes")).toMatchObject({
      name: "clerk",
      removed: [expect.any(String), expect.any(String)],
    });
    expect(await json("inspect", "clerk")).toMatchObject({ error: { name: "ModelStoreError" } });
    expect(inStore()).toEqual([]);
  });

  it("refuses files and words that make no sense, with status 1 and no stack", async () => {
    writeFileSync(join(folder, "notes.txt"), "no model");
    writeFileSync(join(folder, "cut.gguf"), gguf.subarray(0, 2_000_000));
    const refused = [
      [["inspect", "./notes.txt"], /does not begin with GGUF/],
      [["inspect", "cut.gguf", "--json"], /cut short/],
      [["inspect", "none.gguf"], /there is no such file/],
      [["add", "cut.gguf"], /cut short/],
      [["add", clerk, "--sha256", "0xabc"], /is no sha256/],
      [["add", clerk, "--deadline", "soon"], /is no deadline/],
      [["add", clerk, "--name", "other", "--sha256", "AB".repeat(32)], /its sha256 differs/],
      [["add", "http://example.org/x.gguf"], /not https/],
    ] as const;
    const answers = await Promise.all(
      refused.map(async ([words, said]) => [await model(...words), said] as const),
    );
    for (const [{ status, stdout, stderr }, said] of answers) {
      expect(status).toBe(1);
      expect(stdout + stderr).toMatch(said);
      expect(stderr).not.toMatch(/\n {4}at /);
    }
  });

  it("keeps what came when it is interrupted, and goes on with it", async () => {
    server.serve("/clerk.gguf", { body: gguf, stallAfter: 2_000_000 });
    const { child, ended } = start(["add", `${server.url}/clerk.gguf`]);
    await new Promise<void>((resolve) =>
      child.stderr.on("data", (chunk: Buffer) => /fetching [56]\d %/.test(chunk.toString()) && resolve()),
    );
    child.kill("SIGINT");
    const { status, stdout, stderr } = await ended;
    expect([status, stdout]).toEqual([130, ""]);
    expect(stderr).toMatch(/Adding the model was stopped\.\nRun the same command again/);
    expect(inStore()).toEqual(["clerk.part", "clerk.part.json"]);
    expect((await model("list")).stdout).toMatch(
      /^clerk: unfinished, .* of 3\.8 MB; add it again to go on\n$/,
    );

    server.serve("/clerk.gguf", { body: gguf });
    const again = await model("add", `${server.url}/clerk.gguf`, "--sha256", manifest.sha256);
    expect(again.stderr).toMatch(/^going on after \d\.\d MB\n/);
    expect(again.stdout).toMatch(/The file is the one whose sha256 you gave\./);
    expect(inStore()).toEqual(["clerk.gguf", "clerk.json"]);
  });

  it("says that the disk is full, and goes on when there is space again", async () => {
    server.serve("/clerk.gguf", { body: gguf });
    // No file may grow beyond a mebibyte, which is how a full disk looks.
    const { status, stderr } = await start(["add", `${server.url}/clerk.gguf`], 1024).ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/The disk is full\.\nFree some space\./);
    expect((await model("add", `${server.url}/clerk.gguf`)).stderr).toMatch(/^going on after 1\.0 MB\n/);
  });
});
