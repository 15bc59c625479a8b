import { open, readFile, rm, stat, statfs, writeFile, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { Hex } from "viem";
import * as z from "zod";
import { fetchModel, refusedBy } from "./fetchModel.ts";
import { withoutSecrets } from "./modelSource.ts";
import type { Patience } from "./patience.ts";
import { ModelDownloadError, ModelStoreError, storeFailure } from "./storeErrors.ts";

/** What is kept beside an unfinished file, so that it can be gone on with. */
const recordSchema = z.strictObject({
  /** Without what is behind `?`: signed links are new each time, the file behind them is not. */
  url: z.string(),
  etag: z.string().nullable(),
  totalBytes: z.int().nonnegative().nullable(),
  revision: z.string().nullable(),
  publishedSha256: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/)
    .transform((text) => text as Hex)
    .nullable(),
});
type DownloadRecord = z.infer<typeof recordSchema>;
export type Head = Pick<DownloadRecord, "revision" | "publishedSha256">;

export type DownloadProgress =
  | { readonly kind: "bytes"; readonly doneBytes: number; readonly totalBytes: number | null }
  | { readonly kind: "resumed"; readonly doneBytes: number }
  | { readonly kind: "restarted" };

export type DownloadOptions = {
  readonly url: URL;
  /** The unfinished file. */
  readonly part: string;
  /** Is the hash known from elsewhere? Then a file without an etag can be gone on with as well: the hash will tell. */
  readonly hashKnown: boolean;
  readonly patience: Patience;
  readonly onProgress: (progress: DownloadProgress) => void;
  /** Called before the first byte is kept; may throw. */
  readonly onHead?: (head: Head) => void;
};

export const recordOf = (part: string): string => `${part}.json`;

/** Removes an unfinished download. */
export async function dropPart(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(recordOf(part), { force: true });
}

/** How much of a file there is already; undefined where no download was begun. */
export async function readPart(
  part: string,
): Promise<{ readonly doneBytes: number; readonly record: DownloadRecord | undefined } | undefined> {
  const [stats, text] = await Promise.all([
    stat(part).catch(() => undefined),
    readFile(recordOf(part), "utf8").catch(() => "null"),
  ]);
  if (!stats) return undefined;
  try {
    return { doneBytes: stats.size, record: recordSchema.safeParse(JSON.parse(text)).data };
  } catch {
    return { doneBytes: stats.size, record: undefined };
  }
}

/** Fetches a file to its end, going on where an earlier attempt stopped if the server still has the same file. */
export async function downloadModel(options: DownloadOptions): Promise<Head> {
  const { url, part, patience, onHead, onProgress } = options;
  const found = await readPart(part);
  const old = found?.record?.url === withoutSecrets(url) ? found.record : undefined;
  const doneBytes = old && canGoOn(old, options.hashKnown) ? (found?.doneBytes ?? 0) : 0;
  if (old && doneBytes > 0 && doneBytes === old.totalBytes) {
    onHead?.(old);
    onProgress({ kind: "resumed", doneBytes });
    return old;
  }
  try {
    return (
      (old && doneBytes > 0 ? await goOnFrom(options, old, doneBytes) : undefined) ?? (await begin(options))
    );
  } catch (error) {
    const kept = (await stat(part).catch(() => undefined))?.size ?? 0;
    throw patience.explain(error, { url: withoutSecrets(url), keptBytes: kept });
  }
}

/** A weak etag is not for bytes (RFC 9110, 13.1.5). */
const isStrong = (etag: string | null): etag is string => etag !== null && /^"[^"]*"$/.test(etag);
const canGoOn = ({ etag, publishedSha256 }: DownloadRecord, hashKnown: boolean): boolean =>
  isStrong(etag) || publishedSha256 !== null || hashKnown;

/** undefined: the server has another file now, or can't send a part; it has to be fetched from the beginning. */
async function goOnFrom(
  options: DownloadOptions,
  old: DownloadRecord,
  doneBytes: number,
): Promise<Head | undefined> {
  const { url, patience, onProgress } = options;
  const fetched = await fetchModel(
    url,
    { range: `bytes=${doneBytes}-`, ...(isStrong(old.etag) ? { "if-range": old.etag } : {}) },
    patience.signal,
  );
  const { response } = fetched;
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
  const sameFile =
    response.status === 206 &&
    !isEncoded(response) &&
    Number(first) === doneBytes &&
    (old.totalBytes === null || Number(total) === old.totalBytes) &&
    (old.etag === null || (response.headers.get("etag") ?? old.etag) === old.etag) &&
    (fetched.publishedSha256 ?? old.publishedSha256) === old.publishedSha256;
  if (!sameFile) {
    await response.body?.cancel();
    if (!response.ok && response.status !== 416) throw refusedBy(response, url);
    onProgress({ kind: "restarted" });
    return undefined;
  }
  try {
    options.onHead?.(old);
    onProgress({ kind: "resumed", doneBytes });
    await requireSpace(options.part, Number(total) - doneBytes);
    await receive(options, response, doneBytes, Number(total));
  } catch (error) {
    await response.body?.cancel().catch(() => undefined);
    throw error;
  }
  return old;
}

async function begin(options: DownloadOptions): Promise<Head> {
  const { url, part } = options;
  const { response, revision, publishedSha256 } = await fetchModel(url, {}, options.patience.signal);
  if (response.status !== 200) {
    await response.body?.cancel();
    throw refusedBy(response, url);
  }
  if (/^text\/html\b/i.test(response.headers.get("content-type") ?? "")) {
    await response.body?.cancel();
    throw notGguf(url, "the server sent a web page, not a file (a login page, perhaps)");
  }
  if (isEncoded(response)) {
    await response.body?.cancel();
    throw notGguf(url, "the server compresses the file on the way");
  }
  const length = response.headers.get("content-length");
  const record: DownloadRecord = {
    url: withoutSecrets(url),
    etag: response.headers.get("etag"),
    totalBytes: length !== null && /^\d+$/.test(length) ? Number(length) : null,
    revision,
    publishedSha256,
  };
  try {
    options.onHead?.(record);
    await requireSpace(part, record.totalBytes ?? 0);
    // In this order: an old part never stands beside a new record.
    await dropPart(part);
    await writeFile(recordOf(part), JSON.stringify(record)).catch((error: unknown) =>
      storeFailure(error, part),
    );
    await receive(options, response, 0, record.totalBytes);
  } catch (error) {
    await response.body?.cancel().catch(() => undefined);
    throw error;
  }
  return record;
}

const isEncoded = ({ headers }: Response): boolean =>
  (headers.get("content-encoding") ?? "identity") !== "identity";

async function receive(
  { url, part, patience, onProgress }: DownloadOptions,
  response: Response,
  from: number,
  totalBytes: number | null,
): Promise<void> {
  const file = await open(part, from === 0 ? "w" : "r+").catch((error: unknown) => storeFailure(error, part));
  let doneBytes = from;
  let beginning = Buffer.alloc(0);
  try {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      patience.renew();
      if (doneBytes < 4) {
        beginning = Buffer.concat([beginning, chunk.subarray(0, 4)]);
        if (!"GGUF".startsWith(beginning.toString("latin1", 0, 4)))
          throw notGguf(url, "what the server sends is no GGUF file");
      }
      await writeAt(file, chunk, doneBytes, part);
      doneBytes += chunk.length;
      onProgress({ kind: "bytes", doneBytes, totalBytes });
    }
    await file.sync();
  } catch (error) {
    if (error instanceof ModelDownloadError) await dropPart(part);
    throw error;
  } finally {
    await file.close();
  }
  if (totalBytes !== null && doneBytes !== totalBytes)
    throw new ModelDownloadError(
      "the server sent another number of bytes than it said",
      "Run the same command again.",
      { url: withoutSecrets(url), doneBytes, totalBytes },
      "safe",
    );
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number, part: string): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file
      .write(bytes, written, bytes.length - written, position + written)
      .catch((error: unknown) => storeFailure(error, part));
    written += bytesWritten;
  }
}

/** Better said before the first gigabyte than after the last one. */
export async function requireSpace(path: string, neededBytes: number): Promise<void> {
  const free = await statfs(dirname(path)).catch(() => undefined);
  const freeBytes = free ? free.bavail * free.bsize : Infinity;
  // Some file systems (over a network) report 0 for what they don't know.
  if (freeBytes > 0 && neededBytes > freeBytes)
    throw new ModelStoreError(
      "The disk has not enough space for the model.",
      "Free some space, or name a folder on another disk with --store.",
      { neededBytes, freeBytes },
    );
}

const notGguf = (url: URL, why: string) =>
  new ModelDownloadError(why, "Check the URL in a browser: it has to lead to the file itself.", {
    url: withoutSecrets(url),
  });
