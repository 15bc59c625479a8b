import type { Hex } from "viem";
import { requireSafe, withoutSecrets } from "./modelSource.ts";
import { ModelDownloadError } from "./storeErrors.ts";

/** What the first answers said about the file: a hub's own headers come before it sends one on to its storage. */
export type Fetched = {
  readonly response: Response;
  readonly revision: string | null;
  /** sha256 that the hub publishes for the file. */
  readonly publishedSha256: Hex | null;
};

const MOST_REDIRECTS = 10;

/**
 * GET, following redirects by hand: from https only to https, and to plain http only on this machine.
 *
 * @throws ModelDownloadError when the server refuses, with what to do about it
 */
export async function fetchModel(
  start: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Fetched> {
  let url = start;
  let [revision, publishedSha256]: [string | null, Hex | null] = [null, null];
  for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
    const response = await fetch(url, {
      // A compressed answer can't be gone on with, and its length is not the file's.
      headers: { "user-agent": "bursar", "accept-encoding": "identity", ...headers },
      redirect: "manual",
      signal,
    });
    revision ??= commitOf(response.headers.get("x-repo-commit"));
    publishedSha256 ??= sha256Of(response.headers.get("x-linked-etag"));
    const location = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null)
      return { response, revision, publishedSha256 };
    await response.body?.cancel();
    const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
    if (!next || (url.protocol === "https:" && next.protocol !== "https:"))
      throw new ModelDownloadError(
        "the server sends on to a place that is not https",
        "Nothing is fetched from there: anybody on the way could swap the file. Find another source.",
        { url: withoutSecrets(start), to: next ? withoutSecrets(next) : location.slice(0, 200) },
      );
    requireSafe(next, "the place the server sends on to");
    url = next;
  }
  throw new ModelDownloadError(
    "the server sends on and on",
    "Check the URL in a browser, and give the one that it ends at.",
    { url: withoutSecrets(start) },
  );
}

/** An answer that is no file, as an error with what to do about it. */
export function refusedBy({ status }: Response, url: URL): ModelDownloadError {
  const facts = { url: withoutSecrets(url), status };
  if (status === 404 || status === 410)
    return new ModelDownloadError(
      "there is no such file",
      "Check the name, the revision and the spelling.",
      facts,
    );
  if (status === 401 || status === 403)
    return new ModelDownloadError(
      "the server wants a login, or it does not exist",
      "Check the name. If a licence has to be accepted, do that and download in a browser, then add the file by its path.",
      facts,
    );
  if (status === 429 || status >= 500)
    return new ModelDownloadError(
      "the server is busy or broken",
      "Try again in some minutes.",
      facts,
      "safe",
    );
  return new ModelDownloadError("the server gave an unexpected answer", "Check the URL in a browser.", facts);
}

const commitOf = (text: string | null): string | null =>
  text !== null && /^[0-9a-f]{7,64}$/i.test(text) ? text : null;

/** A linked etag is the sha256 of the stored file, in quotes. Small files have another kind, of 40 digits. */
export function sha256Of(text: string | null | undefined): Hex | null {
  const [, digits] = /^(?:W\/)?"?(?:sha256:|0x)?([0-9a-f]{64})"?$/i.exec(text ?? "") ?? [];
  return digits === undefined ? null : `0x${digits.toLowerCase()}`;
}
