import { readFile } from "node:fs/promises";

import { RemoteAddressError } from "./errors.ts";

/** Where a server is, and how to log in there. The key lives in this closure and in the header it makes, nowhere else. */
export type RemoteAddress = {
  /** Origin and path without a slash at the end, and without the `/v1` that people add. Free of secrets. */
  readonly root: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Takes the key out of a text that a server wrote, and what could play tricks on a terminal. */
  readonly clean: (text: string) => string;
};

/** Longest text of a server in an error, in characters. */
const mostSaid = 300;

/**
 * @throws RemoteAddressError for anything but https (http to this machine, or where it is explicitly allowed), for URLs with a
 * password or a query in them, and for key files that hold no key
 */
export async function readAddress(options: {
  readonly url: string;
  readonly apiKeyFile?: string | undefined;
  readonly allowHttp?: boolean | undefined;
}): Promise<RemoteAddress> {
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined;
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:"))
    throw new RemoteAddressError("its URL is none", "Write https://host or http://127.0.0.1:8080.");
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "")
    throw new RemoteAddressError(
      "its URL carries a password, a query or a fragment",
      "Write host, port and path only. A key belongs into a file: apiKeyFile.",
      { host: url.host },
    );
  if (url.protocol === "http:" && !isLoopback(url.hostname) && options.allowHttp !== true)
    throw new RemoteAddressError(
      "it is not https",
      "Use https; or, in a network that you trust, say allowHttp: the prompt, the answer and the key can be read and changed on the way then.",
      { host: url.host },
    );
  const key = options.apiKeyFile === undefined ? undefined : await readKey(options.apiKeyFile);
  return Object.freeze({
    root: `${url.origin}${url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "")}`,
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    clean: (text: string) =>
      (key === undefined ? text : text.replaceAll(key, "[key]"))
        .replaceAll(/\p{C}+/gu, " ")
        .slice(0, mostSaid)
        .toWellFormed(),
  });
}

async function readKey(file: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw new RemoteAddressError("the file with its key can't be read", "Check the path of apiKeyFile.", {
      file,
      detail: (error as NodeJS.ErrnoException).code,
    });
  }
  // A header takes no line break; whatever else is in there is a mistake (a whole `.env` file, two keys).
  if (/^[\x21-\x7e]{1,4096}$/.test(text)) return text;
  throw new RemoteAddressError(
    "the file with its key holds no key",
    "Write the key alone into it, on one line.",
    { file },
  );
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "[::1]" || /^127(\.\d+){3}$/.test(host);
