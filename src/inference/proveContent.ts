import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import type { Cid } from "./contentId.ts";
import { ModelHashMismatchError } from "./errors.ts";
import { fetchModel, refusedBy } from "./fetchModel.ts";
import { fileLeaf, readNode, type UnixfsNode } from "./unixfs.ts";

export type ContentProof = {
  readonly file: string;
  readonly cid: Cid;
  /** Names of folders below the CID, and of the file in them. */
  readonly path: readonly string[];
  readonly gateway: URL;
  readonly signal: AbortSignal;
  /** Bytes that are proven. */
  readonly onProven: (bytes: number) => void;
};

/** Nodes larger than this are exchanged by nobody (the trustless gateway's specification says 2 MiB). */
const LARGEST_BLOCK = 1 << 22;
const DEEPEST_TREE = 16;

/** The gateway can't or won't show the tree, or it is of a kind that is not known. */
class Unprovable extends Error {}

/**
 * Proves that a file is what its CID names. Only the tree's inner nodes are fetched, as raw blocks whose hashes are
 * checked; the leaves are hashed from the file that is here.
 *
 * @returns false when the gateway does not show the tree
 * @throws ModelHashMismatchError when the file is another one
 */
export async function proveContent(proof: ContentProof): Promise<boolean> {
  await using file = await open(proof.file, "r");
  try {
    const { size } = await file.stat();
    await proveNode(proof, file, await fileBelow(proof), { at: 0, size }, 0);
    return true;
  } catch (error) {
    if (error instanceof Unprovable) return false;
    throw error;
  }
}

/** Follows the path from the CID through folders. */
async function fileBelow(proof: ContentProof): Promise<Cid> {
  let { cid } = proof;
  for (const name of proof.path) {
    const folder = await fetchNode(proof, cid);
    const link = folder.links.find((one) => one.name === name);
    // Large folders are sharded; that is another kind of node.
    if (folder.kind !== "folder" || !link) throw new Unprovable();
    cid = link.cid;
  }
  return cid;
}

type Span = { readonly at: number; readonly size: number };

async function proveNode(
  proof: ContentProof,
  file: FileHandle,
  cid: Cid,
  { at, size }: Span,
  depth: number,
): Promise<void> {
  if (depth > DEEPEST_TREE) throw new Unprovable();
  if (cid.codec === "raw") return requireSame(proof, cid, await hashSpan(file, { at, size }), size);
  // Most nodes are leaves, which can be made from the file: nothing has to be fetched.
  if (size <= LARGEST_BLOCK) {
    const leaf = fileLeaf(await readSpan(file, { at, size }));
    if (sha256(leaf) === cid.blockSha256) return proof.onProven(size);
  }
  const node = await fetchNode(proof, cid);
  if (node.kind !== "file" || node.sizes.length !== node.links.length) throw new Unprovable();
  const own = node.content.length;
  if (own + node.sizes.reduce((sum, one) => sum + one, 0) !== size)
    throw otherFile(proof, cid, "another length");
  if (own > 0) requireSameBytes(proof, cid, node, await readSpan(file, { at, size: own }));
  proof.onProven(own);
  let next = at + own;
  for (const [index, link] of node.links.entries()) {
    const below = { at: next, size: node.sizes[index] ?? 0 };
    await proveNode(proof, file, link.cid, below, depth + 1);
    next += below.size;
  }
}

function requireSame(proof: ContentProof, cid: Cid, actual: string, size: number): void {
  if (actual !== cid.blockSha256) throw otherFile(proof, cid, actual);
  proof.onProven(size);
}

function requireSameBytes(proof: ContentProof, cid: Cid, node: UnixfsNode, bytes: Uint8Array): void {
  if (Buffer.compare(node.content, bytes) !== 0) throw otherFile(proof, cid, sha256(bytes));
}

const otherFile = ({ cid }: ContentProof, part: Cid, actual: string) =>
  new ModelHashMismatchError(`ipfs:${cid.text}`, part.blockSha256, actual, {
    by: "cid",
    remedy: "The gateway sent something else than the CID names. Nothing was kept; choose another gateway.",
  });

/** A block whose hash is that of its CID. */
async function fetchNode({ gateway, signal, ...proof }: ContentProof, cid: Cid): Promise<UnixfsNode> {
  const url = new URL(`${gateway.href.replace(/\/+$/, "")}/ipfs/${cid.text}?format=raw`);
  const type = "application/vnd.ipld.raw";
  const { response } = await fetchModel(url, { accept: type }, signal);
  if (!response.ok || !response.headers.get("content-type")?.startsWith(type)) {
    await response.body?.cancel();
    if (response.status === 429 || response.status >= 500) throw refusedBy(response, url);
    throw new Unprovable();
  }
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    pieces.push(piece);
    if ((length += piece.length) > LARGEST_BLOCK) throw new Unprovable();
  }
  const block = Buffer.concat(pieces);
  const actual = sha256(block);
  if (actual !== cid.blockSha256) throw otherFile({ ...proof, gateway, signal }, cid, actual);
  const node = cid.codec === "dag-pb" ? readNode(block) : undefined;
  if (!node) throw new Unprovable();
  return node;
}

async function readSpan(file: FileHandle, { at, size }: Span): Promise<Uint8Array> {
  const bytes = Buffer.alloc(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await file.read(bytes, filled, size - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/** In pieces: a raw block is as large as somebody made it. */
async function hashSpan(file: FileHandle, { at, size }: Span): Promise<string> {
  const hash = createHash("sha256");
  for (let done = 0; done < size; done += LARGEST_BLOCK)
    hash.update(await readSpan(file, { at: at + done, size: Math.min(LARGEST_BLOCK, size - done) }));
  return `0x${hash.digest("hex")}`;
}

const sha256 = (bytes: Uint8Array): string => `0x${createHash("sha256").update(bytes).digest("hex")}`;
