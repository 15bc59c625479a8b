import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { addModel, type AddOptions, type AddProgress } from "../../../src/inference/addModel.ts";
import { parseModelSource, type SourceOptions } from "../../../src/inference/modelSource.ts";
import { findModel, listModels, removeModel } from "../../../src/inference/modelStore.ts";
import { startModelServer, type ModelServer } from "../../doubles/modelServer.ts";

const clerk = join(import.meta.dirname, "../../../models/clerk/clerk-q8_0.gguf");
const gguf = readFileSync(clerk);
const sha256Of = (bytes: Buffer): Hex => `0x${createHash("sha256").update(bytes).digest("hex")}`;
const sha256 = sha256Of(gguf);
/** The same model with other weights. */
const other = Buffer.from(gguf);
other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;

let server: ModelServer;
let folder: string;
let progress: AddProgress[];
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-store-"));
  progress = [];
  server.asked.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Extra = Partial<Omit<AddOptions, "folder" | "source">> & SourceOptions;
const add = (from: string, { endpoint, gateway, ...extra }: Extra = {}) =>
  addModel({
    folder,
    source: parseModelSource(from, { endpoint, gateway }),
    limits: { deadlineMs: 20_000, stallMs: 10_000 },
    now: () => Date.UTC(2026, 0, 2),
    onProgress: (event) => void progress.push(event),
    ...extra,
  });
async function failure(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error as { name: string; message: string; retry: string; facts: Record<string, string> };
}
const inStore = () => readdirSync(folder).sort((a, b) => (a < b ? -1 : 1));
const kinds = () => new Set(progress.map(({ kind }) => kind));
const url = (path = "/clerk.gguf") => `${server.url}${path}`;

describe("a URL", () => {
  it("is fetched, checked and pinned, and the second time only checked", async () => {
    server.serve("/dir/My Clerk.gguf", { body: gguf });
    const added = await add(`${server.url}/dir/My%20Clerk.gguf?key=secret`);
    expect(added.manifest).toEqual({
      name: "my-clerk",
      file: "my-clerk.gguf",
      sha256,
      pinnedBy: "first use",
      sizeBytes: gguf.length,
      source: `${server.url}/dir/My%20Clerk.gguf`,
      asked: `${server.url}/dir/My%20Clerk.gguf`,
      revision: null,
      licence: "MIT",
      cid: null,
      signature: null,
      added: "2026-01-02T00:00:00.000Z",
    });
    expect(inStore()).toEqual(["my-clerk.gguf", "my-clerk.json"]);
    expect(readFileSync(added.path).equals(gguf)).toBe(true);
    expect(await findModel(folder, "my-clerk")).toMatchObject({ manifest: added.manifest, state: "there" });
    expect(progress.filter(({ kind }) => kind === "bytes").at(-1)).toEqual({
      kind: "bytes",
      doneBytes: gguf.length,
      totalBytes: gguf.length,
    });

    expect(await add(`${server.url}/dir/My%20Clerk.gguf`)).toEqual({ ...added, already: true });
    expect(server.asked).toHaveLength(1);
  });

  it("goes on where it was cut off", async () => {
    server.serve("/clerk.gguf", { body: gguf, cutAfter: 1_000_000 });
    const cut = await failure(add(url()));
    expect(cut).toMatchObject({ name: "ModelDownloadError", retry: "safe" });
    expect(cut.message).toMatch(
      /^The model was not downloaded: the connection failed\.\nRun the same command again/,
    );
    expect(inStore()).toEqual(["clerk.part", "clerk.part.json"]);
    const kept = statSync(join(folder, "clerk.part")).size;
    expect(cut.facts["keptBytes"]).toBe(String(kept));
    expect((await listModels(folder)).unfinished).toEqual([
      { name: "clerk", doneBytes: kept, totalBytes: gguf.length },
    ]);

    server.serve("/clerk.gguf", { body: gguf });
    expect((await add(url())).manifest.sha256).toBe(sha256);
    expect(server.asked.at(-1)?.headers).toMatchObject({ range: `bytes=${kept}-`, "if-range": '"first"' });
    expect(progress).toContainEqual({ kind: "resumed", doneBytes: kept });
    expect(inStore()).toEqual(["clerk.gguf", "clerk.json"]);
  });

  it("begins anew when the server has another file, or sends no parts, or can't tell versions apart", async () => {
    for (const [first, second] of [
      [{ etag: '"first"' }, { etag: '"second"' }],
      [{}, { ranges: false }],
      [{ etag: null }, { etag: null }],
      [{ etag: 'W/"first"' }, { etag: 'W/"first"' }],
    ]) {
      server.serve("/clerk.gguf", { body: other, cutAfter: 500_000, ...first });
      await failure(add(url()));
      server.serve("/clerk.gguf", { body: gguf, ...second });
      expect((await add(url())).manifest.sha256).toBe(sha256);
      await removeModel(folder, "clerk");
    }
    expect(progress.filter(({ kind }) => kind === "restarted")).toHaveLength(2);
  });

  it("without an etag goes on only when the hash is known, which then tells", async () => {
    server.serve("/clerk.gguf", { body: other, etag: null, cutAfter: 500_000 });
    await failure(add(url(), { sha256 }));
    server.serve("/clerk.gguf", { body: gguf, etag: null });
    await add(url(), { sha256 });
    expect(kinds().has("resumed")).toBe(true);
  });

  it("is not asked for again when all of it has come, only hashed", async () => {
    server.serve("/clerk.gguf", { body: gguf, cutAfter: 500_000 });
    await failure(add(url()));
    writeFileSync(join(folder, "clerk.part"), gguf);
    server.asked.length = 0;
    expect((await add(url())).manifest.sha256).toBe(sha256);
    expect(server.asked).toEqual([]);
  });

  it("gives up a server that falls silent, and one that takes too long, and keeps what came", async () => {
    server.serve("/clerk.gguf", { body: gguf, stallAfter: 300_000 });
    const stalled = await failure(add(url(), { limits: { deadlineMs: 20_000, stallMs: 200 } }));
    expect(stalled).toMatchObject({
      name: "ModelDownloadTimeoutError",
      retry: "safe",
      facts: { limitMs: "200" },
    });
    expect(stalled.message).toMatch(/stalled.*\nRun the same command again: it goes on where it stopped\./);
    const late = await failure(add(url(), { limits: { deadlineMs: 200, stallMs: 20_000 } }));
    expect(late.message).toMatch(/longer than its deadline.*\n.*--deadline/);
    expect(statSync(join(folder, "clerk.part")).size).toBe(300_000);
  });

  it("stops when the caller says so", async () => {
    server.serve("/clerk.gguf", { body: gguf, stallAfter: 300_000 });
    const stopping = new AbortController();
    const stopped = failure(
      add(url(), { signal: stopping.signal, onProgress: ({ kind }) => kind === "bytes" && stopping.abort() }),
    );
    expect(await stopped).toMatchObject({ name: "ModelAddAbortedError", retry: "safe" });
    expect(inStore()).toEqual(["clerk.part", "clerk.part.json"]);
  });

  it("that leads to no model leaves nothing", async () => {
    for (const [served, words] of [
      [undefined, /there is no such file/],
      [{ status: 403 }, /wants a login.*\n.*licence has to be accepted/],
      [{ status: 503 }, /busy or broken/],
      [
        { body: Buffer.from("<html>"), headers: { "content-type": "text/html; charset=utf-8" } },
        /a web page/,
      ],
      [{ body: Buffer.from("<html>Sign in</html>") }, /no GGUF file/],
      [{ body: gguf, headers: { "content-encoding": "br" } }, /compresses/],
      [{ body: gguf.subarray(0, 3) }, /does not begin with GGUF/],
      [{ body: gguf.subarray(0, 2_000_000) }, /cut short/],
      [{ body: Buffer.alloc(0) }, /is empty/],
    ] as const) {
      server.serve("/clerk.gguf", served);
      const error = await failure(add(url()));
      expect(error.message).toMatch(words);
      expect(error.name).toMatch(/^Model(Download|File)Error$/);
      expect(inStore()).toEqual([]);
    }
  });

  it("with a wrong hash leaves nothing", async () => {
    server.serve("/clerk.gguf", { body: other });
    const error = await failure(add(url(), { sha256 }));
    expect(error).toMatchObject({
      name: "ModelHashMismatchError",
      facts: { expected: sha256, actual: sha256Of(other), "expected by": "owner" },
    });
    expect(inStore()).toEqual([]);
  });

  it("follows redirects, but to no place that is not safe", async () => {
    server.serve("/clerk.gguf", { status: 302, headers: { location: "/storage/blob" } });
    server.serve("/storage/blob", { body: gguf });
    expect((await add(url())).manifest).toMatchObject({ sha256, source: url() });
    for (const [location, words] of [
      ["http://example.org/clerk.gguf", /not https/],
      ["file:///etc/passwd", /not https/],
      ["/round.gguf", /sends on and on/],
    ] as const) {
      server.serve("/round.gguf", { status: 307, headers: { location } });
      expect((await failure(add(url("/round.gguf")))).message).toMatch(words);
    }
    expect(inStore()).toEqual(["clerk.gguf", "clerk.json"]);
  });

  it("of a server that is not there is an error that says so", async () => {
    const gone = await startModelServer();
    await gone.close();
    expect(await failure(add(`${gone.url}/clerk.gguf`))).toMatchObject({
      name: "ModelDownloadError",
      retry: "safe",
      facts: { reason: "ECONNREFUSED" },
    });
  });
});

describe("a hub", () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const hub = (published: Hex | null, body = gguf) => {
    server.serve("/v2/user/Clerk-GGUF/manifests/Q8_0", {
      body: Buffer.from(JSON.stringify({ ggufFile: { rfilename: "q8/Clerk-Q8_0.gguf", size: body.length } })),
    });
    server.serve("/user/Clerk-GGUF/resolve/main/q8/Clerk-Q8_0.gguf", {
      status: 302,
      headers: {
        location: "/storage/blob",
        "x-repo-commit": commit,
        ...(published === null ? {} : { "x-linked-etag": `"${published.slice(2)}"` }),
      },
    });
    server.serve("/storage/blob", { body });
  };

  it("names the file of a quantisation, its commit and its hash", async () => {
    hub(sha256);
    const { manifest } = await add("hf:user/Clerk-GGUF:Q8_0", { endpoint: server.url });
    expect(manifest).toMatchObject({
      name: "clerk-q8_0",
      sha256,
      pinnedBy: "publisher",
      source: "hf:user/Clerk-GGUF/q8/Clerk-Q8_0.gguf",
      asked: "hf:user/Clerk-GGUF:Q8_0",
      revision: commit,
    });
    expect(server.asked[0]?.headers["user-agent"]).toBe("llama-cpp");
    expect((await add("hf:user/Clerk-GGUF:Q8_0", { endpoint: server.url })).already).toBe(true);
  });

  it("is held to the hash that it publishes", async () => {
    hub(sha256, other);
    expect(await failure(add("hf:user/Clerk-GGUF:Q8_0", { endpoint: server.url }))).toMatchObject({
      name: "ModelHashMismatchError",
      facts: { expected: sha256, actual: sha256Of(other), "expected by": "publisher" },
    });
    expect(inStore()).toEqual([]);
  });

  it("that names another hash than the owner is not even fetched from", async () => {
    hub(sha256);
    const error = await failure(
      add("hf:user/Clerk-GGUF:Q8_0", { endpoint: server.url, sha256: sha256Of(other) }),
    );
    expect(error.message).toMatch(/The publisher names another hash than the owner/);
    expect([...kinds()]).toEqual([]);
    expect(inStore()).toEqual([]);
  });

  it("serves a file at a revision, and answers what it does not have", async () => {
    server.serve("/user/model/resolve/v1/a/b.gguf", { body: gguf });
    const { manifest } = await add("hf:user/model/a/b.gguf#v1", { endpoint: `${server.url}/` });
    expect(manifest).toMatchObject({
      name: "b",
      source: "hf:user/model/a/b.gguf#v1",
      revision: "v1",
      pinnedBy: "first use",
    });
    expect((await failure(add("hf:user/model:Q2_K", { endpoint: server.url }))).message).toMatch(
      /knows no Q2_K of user\/model/,
    );
    for (const [answer, words] of [
      ["{}", /names no GGUF file/],
      ["<html>", /names no GGUF file/],
      ['{"ggufFile":{"rfilename":"../../x.gguf"}}', /names no GGUF file/],
      ['{"ggufFile":{"rfilename":"x-00001-of-00003.gguf"}}', /part 1 of 3 of a split model/],
    ] as const) {
      server.serve("/v2/user/model/manifests/latest", { body: Buffer.from(answer) });
      expect((await failure(add("hf:user/model", { endpoint: server.url }))).message).toMatch(words);
    }
  });
});

describe("a path", () => {
  it("is copied, or linked", async () => {
    const copied = await add(clerk, { sha256, licence: "Apache-2.0", signature: "RWQ…" });
    expect(copied.manifest).toMatchObject({
      name: "clerk-q8_0",
      source: clerk,
      pinnedBy: "owner",
      licence: "Apache-2.0",
      signature: "RWQ…",
    });
    expect(statSync(copied.path).nlink).toBe(1);
    const mine = join(folder, "..", `${folder.split("/").at(-1)}-mine.gguf`);
    writeFileSync(mine, gguf);
    try {
      const linked = await add(mine, { link: true, name: "linked" });
      expect(statSync(linked.path).ino).toBe(statSync(mine).ino);
      await removeModel(folder, "linked");
      expect(existsSync(mine)).toBe(true);
      expect(await failure(add(mine, { link: true, name: "linked", sha256: sha256Of(other) }))).toMatchObject(
        {
          name: "ModelHashMismatchError",
        },
      );
    } finally {
      rmSync(mine);
    }
    expect(inStore()).toEqual(["clerk-q8_0.gguf", "clerk-q8_0.json"]);
  });

  it("to nothing usable leaves nothing", async () => {
    const text = join(folder, "notes.txt");
    writeFileSync(text, "no model");
    for (const path of [text, folder, join(folder, "none.gguf")])
      expect(await failure(add(path, { name: "x" }))).toMatchObject({ name: "ModelFileError" });
    expect(inStore()).toEqual(["notes.txt"]);
  });
});

describe("the store", () => {
  it("gives a name once, and notices a file that was changed or lost", async () => {
    const { path } = await add(clerk, { name: "clerk" });
    server.serve("/clerk.gguf", { body: other });
    expect((await failure(add(url()))).message).toMatch(/already a model "clerk".*\n.*--name/);
    expect(await failure(add(clerk, { name: "clerk", sha256: sha256Of(other) }))).toMatchObject({
      name: "ModelHashMismatchError",
    });
    writeFileSync(path, other);
    expect((await failure(add(clerk, { name: "clerk" }))).message).toMatch(
      /The file in the store was changed/,
    );
    rmSync(path);
    expect((await listModels(folder)).models).toMatchObject([{ state: "missing" }]);
    expect((await failure(add(url()))).message).toMatch(/already a model "clerk"/);
    expect((await add(clerk, { name: "clerk" })).already).toBe(false);
  });

  it("takes no other file for one that is missing", async () => {
    server.serve("/clerk.gguf", { body: gguf });
    const { path } = await add(url());
    rmSync(path);
    server.serve("/clerk.gguf", { body: other });
    expect(await failure(add(url()))).toMatchObject({ name: "ModelHashMismatchError" });
  });

  it("writes over nothing that somebody put there", async () => {
    writeFileSync(join(folder, "clerk.gguf"), "mine");
    expect((await failure(add(clerk, { name: "clerk" }))).message).toMatch(
      /a file in the store that no manifest knows/,
    );
    expect((await failure(removeModel(folder, "clerk"))).message).toMatch(/There is no model "clerk"/);
    expect(readFileSync(join(folder, "clerk.gguf"), "utf8")).toBe("mine");
  });

  it("lets one process add a model at a time, and forgets locks of the dead", async () => {
    const lock = join(folder, "clerk.part.lock");
    writeFileSync(lock, String(process.pid));
    expect((await failure(add(clerk, { name: "clerk" }))).message).toMatch(
      /Another process is adding this model/,
    );
    writeFileSync(lock, "999999999");
    await add(clerk, { name: "clerk" });
    expect(inStore()).toEqual(["clerk.gguf", "clerk.json"]);
  });

  it("says what is wrong with names and manifests", async () => {
    for (const name of ["../x", "X", "a/b", "", "x.part", `a${"b".repeat(100)}`])
      expect((await failure(add(clerk, { name }))).message).toMatch(/is no name for a model/);
    await add(clerk, { name: "clerk" });
    writeFileSync(join(folder, "clerk.json"), "{}");
    expect((await listModels(folder)).broken).toEqual(["clerk.json"]);
    expect((await failure(findModel(folder, "clerk"))).message).toMatch(/manifest is damaged/);
    await removeModel(folder, "clerk");
    expect(inStore()).toEqual([]);
  });

  it("that can't be made or written is an error in words", async () => {
    writeFileSync(join(folder, "file"), "");
    expect(await failure(add(clerk, { folder: join(folder, "file", "models") } as Extra))).toMatchObject({
      name: "ModelStoreError",
    });
  });
});
