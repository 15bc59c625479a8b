import type { Hex } from "viem";

import { canonicalize, NotCanonicalError } from "./canonical.ts";
import { BaseError } from "./errors.ts";
import { isHash, keyedSha256, sha256Concat, utf8 } from "./hash.ts";
import { inclusionProof, treeRoot, verifyInclusion } from "./merkle.ts";
import type { Json } from "./json.ts";

const LEAF = new Uint8Array([0]);
const FIELD = new Uint8Array([2]);
const SEPARATOR = new Uint8Array([0]);

export const recordSchema = "bursar.decision.v1";

/**
 * The fields of a decision record, flat: path → value. Every value is committed with its own salt, so that each
 * can be disclosed alone; the paths are listed in `docs/architecture.md`.
 */
export type RecordFields = { readonly [path: string]: Json };

/** A sealed Decision: its fields, the secret the salts come from, and the leaf that goes on chain. */
export type Decision = {
  readonly fields: RecordFields;
  /** 32 random bytes. Whoever has it can open every field; keep it with the record, disclose single salts instead. */
  readonly secret: Hex;
  /** Merkle root over the salted field commitments, in order of their paths. */
  readonly root: Hex;
  /** sha256(0x00 ‖ root): the RFC 9162 leaf hash of this Decision in the agent's tree. */
  readonly leaf: Hex;
};

/** One field opened for a stranger: value, salt, and its place under the record's root. */
export type DisclosedField = {
  readonly path: string;
  readonly value: Json;
  readonly salt: Hex;
  readonly index: number;
  readonly count: number;
  readonly proof: readonly Hex[];
};

/** A path that is not in the record. */
export class UnknownFieldError extends BaseError {
  override readonly name = "UnknownFieldError";
  constructor(path: string) {
    super(`The record has no field "${path}".`);
  }
}

const sortedPaths = (fields: RecordFields) => Object.keys(fields).sort((a, b) => (a < b ? -1 : 1));

/** The salt of one field: HMAC-SHA256(secret, path). Low-entropy values (amounts) can't be guessed from a commitment. */
export const fieldSalt = (secret: Hex, path: string): Hex => keyedSha256(secret)(path);

/** A path or salt with which the bytes under a commitment could be read in two ways. */
export class FieldShapeError extends BaseError {
  override readonly name = "FieldShapeError";
  constructor(path: string) {
    super(
      `The field ${JSON.stringify(path)} can't be committed: its path holds a zero byte, or its salt is not 32 bytes.`,
    );
  }
}

const isPath = (path: string): boolean => path.isWellFormed() && !path.includes("\0");

/**
 * sha256(0x02 ‖ path ‖ 0x00 ‖ salt ‖ RFC 8785 bytes of the value). One reading only: the path holds no zero byte and
 * the salt is 32 bytes; else digits could move between salt and value, and 12 be disclosed as 2.
 *
 * @throws FieldShapeError · NotCanonicalError
 */
export function fieldCommitment(path: string, salt: Hex, value: Json): Hex {
  if (!isPath(path) || !isHash(salt)) throw new FieldShapeError(path);
  return sha256Concat(FIELD, utf8(path), SEPARATOR, salt, utf8(canonicalize(value)));
}

export const leafOf = (root: Hex): Hex => sha256Concat(LEAF, root);

function commitments(fields: RecordFields, secret: Hex): readonly Hex[] {
  const saltOf = keyedSha256(secret);
  return sortedPaths(fields).map((path) => fieldCommitment(path, saltOf(path), fields[path]!));
}

/** Seals a Decision. Deterministic: the randomness is the secret, which the caller passes in. */
export function sealDecision(fields: RecordFields, secret: Hex): Decision {
  const root = treeRoot(commitments(fields, secret));
  return Object.freeze({ fields, secret, root, leaf: leafOf(root) });
}

/** Opens one field so that a stranger can check it against the leaf without seeing the others. */
export function discloseField(decision: Decision, path: string): DisclosedField {
  const paths = sortedPaths(decision.fields);
  const index = paths.indexOf(path);
  if (index < 0) throw new UnknownFieldError(path);
  return {
    path,
    value: decision.fields[path]!,
    salt: fieldSalt(decision.secret, path),
    index,
    count: paths.length,
    proof: inclusionProof(commitments(decision.fields, decision.secret), index),
  };
}

/** Does the disclosed field belong to the record behind this leaf? A field that could never be committed does not. */
export function verifyDisclosedField(field: DisclosedField, root: Hex, leaf: Hex): boolean {
  let commitment: Hex;
  try {
    commitment = fieldCommitment(field.path, field.salt, field.value);
  } catch (error) {
    if (error instanceof FieldShapeError || error instanceof NotCanonicalError) return false;
    throw error;
  }
  return (
    leafOf(root) === leaf &&
    verifyInclusion({ leaf: commitment, index: field.index, size: field.count, proof: field.proof, root })
  );
}

/** The seed of a sampled inference: first four bytes of sha256(previous leaf ‖ index as 8 bytes). Derived, never chosen. */
export function derivedSeed(previousLeaf: Hex, index: number): number {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(index));
  return Number.parseInt(sha256Concat(previousLeaf, bytes).slice(2, 10), 16);
}

/** sha256 over token ids as unsigned 32-bit little-endian numbers: how records name prompts and outputs. */
export function tokensDigest(tokens: readonly number[]): Hex {
  const bytes = new Uint8Array(tokens.length * 4);
  const view = new DataView(bytes.buffer);
  tokens.forEach((token, index) => view.setUint32(index * 4, token, true));
  return sha256Concat(bytes);
}
