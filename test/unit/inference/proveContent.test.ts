import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { addModel, type AddProgress } from "../../../src/inference/addModel.ts";
import { parseCid } from "../../../src/inference/contentId.ts";
import { parseModelSource } from "../../../src/inference/modelSource.ts";
import { removeModel } from "../../../src/inference/modelStore.ts";
import { fileLeaf, readNode } from "../../../src/inference/unixfs.ts";
import { startModelServer, type ModelServer } from "../../doubles/modelServer.ts";

const gguf = readFileSync(join(import.meta.dirname, "../../../models/clerk/clerk-q8_0.gguf"));
const sha256Of = (bytes: Uint8Array): string => `0x${createHash("sha256").update(bytes).digest("hex")}`;
const sha256 = sha256Of(gguf);
/** The same model with other weights. */
const other = Buffer.concat([gguf.subarray(0, -1), Buffer.of((gguf.at(-1) ?? 0) ^ 1)]);

let server: ModelServer;
let folder: string;
let progress: AddProgress[];
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-ipfs-"));
  progress = [];
  server.asked.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const add = (from: string, { gateway, name }: { readonly gateway: string; readonly name?: string }) =>
  addModel({
    folder,
    source: parseModelSource(from, { gateway }),
    name,
    limits: { deadlineMs: 20_000, stallMs: 10_000 },
    now: () => 0,
    onProgress: (event) => void progress.push(event),
  });
async function failure(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error as { name: string; facts: Record<string, string> };
}
const inStore = () => readdirSync(folder).sort((a, b) => (a < b ? -1 : 1));

describe("a node", () => {
  it("is written as `ipfs add` writes it", () => {
    const hello = fileLeaf(Buffer.from("hello world\n"));
    // The best known CID there is.
    expect(parseCid("QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o").blockSha256).toBe(sha256Of(hello));
    expect(readNode(hello)).toEqual({
      kind: "file",
      content: Buffer.from("hello world\n"),
      links: [],
      sizes: [],
    });
  });

  it("that is damaged is none", () => {
    const hello = fileLeaf(Buffer.alloc(300, 1));
    for (let length = 1; length < hello.length; length++)
      expect(readNode(hello.subarray(0, length))).toBeUndefined();
    expect(readNode(Buffer.from([0x12, 2, 0x0a, 0]))).toBeUndefined();
    expect(readNode(Buffer.alloc(20, 0xff))).toBeUndefined();
  });
});

describe("IPFS", () => {
  const gateway = () => server.url;
  const served: string[] = [];
  afterEach(() => served.splice(0).forEach((path) => server.serve(path, undefined)));
  const serve = (path: string, body: Buffer, type = "application/octet-stream") => {
    server.serve(path, { body, headers: { "content-type": type } });
    served.push(path);
  };
  /** Puts a block on the gateway; returns what a link to it holds. */
  function put(block: Buffer, codec = 0x70, old = false): Buffer {
    const digest = createHash("sha256").update(block).digest();
    const link = Buffer.concat([Buffer.from(old ? [0x12, 32] : [1, codec, 0x12, 32]), digest]);
    serve(
      `/ipfs/b${base32(Buffer.concat([Buffer.from([1, codec, 0x12, 32]), digest]))}?format=raw`,
      block,
      "application/vnd.ipld.raw",
    );
    return link;
  }
  const field = (number: number, bytes: Buffer) =>
    Buffer.concat([Buffer.from([number * 8 + 2]), varint(bytes.length), bytes]);
  const integer = (number: number, value: number) =>
    Buffer.concat([Buffer.from([number * 8]), varint(value)]);
  const node = (
    type: number,
    content: Buffer,
    links: readonly { link: Buffer; name?: string; size: number }[],
  ) =>
    Buffer.concat([
      ...links.map(({ link, name = "" }) =>
        field(2, Buffer.concat([field(1, link), field(2, Buffer.from(name)), integer(3, 1)])),
      ),
      field(
        1,
        Buffer.concat([
          integer(1, type),
          ...(content.length > 0 ? [field(2, content)] : []),
          ...(type === 2
            ? [integer(3, content.length + links.reduce((sum, { size }) => sum + size, 0))]
            : []),
          ...(type === 2 ? links.map(({ size }) => integer(4, size)) : []),
        ]),
      ),
    ]);
  /** The tree that `ipfs add` makes: leaves of 256 KiB, raw or (old) nodes, and here three links a node. */
  function tree(file: Buffer, old: boolean): Buffer {
    let level: { link: Buffer; size: number }[] = [];
    for (let at = 0; at < file.length; at += 262_144) {
      const piece = file.subarray(at, at + 262_144);
      level.push({ link: old ? put(node(2, piece, []), 0x70, true) : put(piece, 0x55), size: piece.length });
    }
    while (level.length > 1) {
      const next: typeof level = [];
      for (let at = 0; at < level.length; at += 3) {
        const links = level.slice(at, at + 3);
        next.push({
          link: put(node(2, Buffer.alloc(0), links), 0x70, old),
          size: links.reduce((sum, { size }) => sum + size, 0),
        });
      }
      level = next;
    }
    return level[0]?.link ?? Buffer.alloc(0);
  }
  /** The CID in words, of version 1 also where links are old. */
  const words = (link: Buffer) =>
    `b${base32(link[0] === 0x12 ? Buffer.concat([Buffer.from([1, 0x70]), link]) : link)}`;

  it("proves a file that is one block by its CID", async () => {
    const raw = words(Buffer.concat([Buffer.from([1, 0x55, 0x12, 32]), Buffer.from(sha256.slice(2), "hex")]));
    serve(`/ipfs/${raw}`, gguf);
    expect((await add(`ipfs:${raw}`, { gateway: gateway(), name: "raw" })).manifest).toMatchObject({
      pinnedBy: "cid",
      cid: raw,
    });
    serve(`/ipfs/${raw}`, other);
    expect(await failure(add(`ipfs:${raw}`, { gateway: gateway(), name: "forged" }))).toMatchObject({
      name: "ModelHashMismatchError",
      facts: { "expected by": "cid" },
    });
    expect(inStore()).toEqual(["raw.gguf", "raw.json"]);
  });

  it.each([
    ["raw", false],
    ["old", true],
  ])("proves a tree with %s leaves, fetching only what is above them", async (_, old) => {
    const cid = words(tree(gguf, old));
    serve(`/ipfs/${cid}`, gguf);
    expect((await add(`ipfs://${cid}`, { gateway: gateway(), name: "tree" })).manifest).toMatchObject({
      pinnedBy: "cid",
      cid,
    });
    // 13 leaves, 5 + 2 + 1 nodes above them, and the file.
    expect(server.asked).toHaveLength(9);
    expect(progress.at(-1)).toEqual({ kind: "proven", doneBytes: gguf.length, totalBytes: gguf.length });

    serve(`/ipfs/${cid}`, other);
    const forged = await failure(add(`ipfs:${cid}`, { gateway: gateway(), name: "forged" }));
    expect(forged).toMatchObject({ name: "ModelHashMismatchError", facts: { "expected by": "cid" } });
    serve(`/ipfs/${cid}`, Buffer.concat([gguf, Buffer.alloc(1)]));
    expect(await failure(add(`ipfs:${cid}`, { gateway: gateway(), name: "longer" }))).toMatchObject({
      facts: { actual: "another length" },
    });
    expect(inStore()).toEqual(["tree.gguf", "tree.json"]);
  });

  it("proves a file in folders, and believes no node with another hash", async () => {
    const file = { link: tree(gguf, false), name: "clerk.gguf", size: gguf.length };
    const inner = { link: put(node(1, Buffer.alloc(0), [file])), name: "models", size: 1 };
    const cid = words(put(node(1, Buffer.alloc(0), [{ ...file, name: "other" }, inner])));
    serve(`/ipfs/${cid}/models/clerk.gguf`, gguf);
    const { manifest } = await add(`ipfs:${cid}/models/clerk.gguf`, { gateway: gateway() });
    expect(manifest).toMatchObject({
      name: "clerk",
      source: `ipfs:${cid}/models/clerk.gguf`,
      pinnedBy: "cid",
    });
    serve(`/ipfs/${cid}?format=raw`, node(1, Buffer.alloc(0), []), "application/vnd.ipld.raw");
    expect(
      await failure(add(`ipfs:${cid}/models/clerk.gguf`, { gateway: gateway(), name: "again" })),
    ).toMatchObject({
      name: "ModelHashMismatchError",
    });
  });

  it("trusts a gateway that shows no blocks, and says so", async () => {
    for (const [block, type] of [
      [undefined, ""],
      [gguf, "application/octet-stream"],
      [Buffer.from("no node"), "application/vnd.ipld.raw"],
    ] as const) {
      const cid = words(
        block ? put(block) : Buffer.concat([Buffer.from([1, 0x70, 0x12, 32]), Buffer.alloc(32, 7)]),
      );
      if (block) serve(`/ipfs/${cid}?format=raw`, block, type);
      else server.serve(`/ipfs/${cid}?format=raw`, { status: 406 });
      serve(`/ipfs/${cid}`, gguf);
      expect((await add(`ipfs:${cid}`, { gateway: gateway(), name: "x" })).manifest).toMatchObject({
        pinnedBy: "first use",
        cid,
      });
      await removeModel(folder, "x");
    }
  });
});

function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(five.padEnd(5, "0"), 2)])
    .join("");
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
