import { basename, resolve } from "node:path";
import { parseCid, type Cid } from "./contentId.ts";
import { ModelSourceError } from "./storeErrors.ts";

/** Where a model comes from, as the owner wrote it. */
export type ModelSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "url"; readonly url: URL }
  | {
      readonly kind: "hub";
      readonly endpoint: URL;
      readonly user: string;
      readonly model: string;
      /** A file of the repository at a revision, or the quantisation whose file the hub is asked for. */
      readonly wanted:
        { readonly file: string; readonly revision: string } | { readonly quantization: string };
    }
  | { readonly kind: "ipfs"; readonly cid: Cid; readonly path: string; readonly gateway: URL };

export type SourceOptions = { readonly endpoint?: string | undefined; readonly gateway?: string | undefined };

const hub = "https://huggingface.co";
const forms =
  "Write a path, hf:user/model:quant, hf:user/model/file.gguf#revision, https://…/file.gguf, or ipfs:CID with --gateway URL.";
const slug = /^[\w][\w.-]*$/;

/** @throws ModelSourceError when it is understood to be nothing that a model can be had from */
export function parseModelSource(text: string, { endpoint, gateway }: SourceOptions = {}): ModelSource {
  if (/^https?:\/\//i.test(text)) return ofUrl(text, endpoint);
  if (/^(hf|huggingface):/i.test(text))
    return ofHub(text.replace(/^\w+:(\/\/)?/, ""), webUrl(endpoint ?? hub, "--endpoint"));
  if (/^ipfs:/i.test(text)) return ofIpfs(text.replace(/^ipfs:(\/\/)?/i, ""), gateway);
  if (/^[a-z][\w+.-]+:/i.test(text))
    throw new ModelSourceError(`"${text.split(":")[0]}:" is no source that is known`, forms);
  if (text === "") throw new ModelSourceError("nothing is named", forms);
  return { kind: "file", path: resolve(text) };
}

function ofUrl(text: string, endpoint: string | undefined): ModelSource {
  const url = webUrl(text, "the URL");
  const [, user = "", model = "", view, revision, ...file] = url.pathname.split("/").map(decode);
  // The page about a file is what one copies from the browser.
  if (
    url.hostname === "huggingface.co" &&
    (view === "blob" || view === "resolve") &&
    revision &&
    file.length > 0
  )
    return {
      kind: "hub",
      endpoint: webUrl(endpoint ?? hub, "--endpoint"),
      user,
      model,
      wanted: { file: wholeFile(file.join("/")), revision },
    };
  wholeFile(url.pathname);
  return { kind: "url", url };
}

function ofHub(text: string, endpoint: URL): ModelSource {
  const [location = "", revision = "main", ...more] = text.split("#");
  const [user = "", modelAndQuant = "", ...file] = location.split("/");
  const [model = "", quantization = "latest", ...rest] = modelAndQuant.split(":");
  const right = slug.test(user) && slug.test(model) && more.length === 0 && rest.length === 0;
  if (right && file.length === 0 && slug.test(quantization)) {
    if (text.includes("#"))
      throw new ModelSourceError(
        "a revision needs the file's name",
        `Name the file: hf:${user}/${model}/file.gguf#revision.`,
      );
    return { kind: "hub", endpoint, user, model, wanted: { quantization } };
  }
  const clean = file.every((part) => part !== "" && part !== "." && part !== "..");
  if (right && clean && !modelAndQuant.includes(":") && /^[\w][\w./-]*$/.test(revision))
    return { kind: "hub", endpoint, user, model, wanted: { file: wholeFile(file.join("/")), revision } };
  throw new ModelSourceError(`"hf:${text}" is not understood`, forms);
}

function ofIpfs(text: string, gateway: string | undefined): ModelSource {
  const [cid = "", ...path] = text.split("/");
  if (gateway === undefined)
    throw new ModelSourceError(
      "no gateway is named",
      "Add --gateway URL: your own node's (http://127.0.0.1:8080) or one that you choose.",
    );
  return {
    kind: "ipfs",
    cid: parseCid(cid),
    path: path.filter(Boolean).join("/"),
    gateway: webUrl(gateway, "--gateway"),
  };
}

/** Parts of a split model are refused before gigabytes of them are fetched. */
export function wholeFile(name: string): string {
  const [, part, parts] = /-(\d{5})-of-(\d{5})\.gguf$/i.exec(name) ?? [];
  if (part !== undefined && Number(parts) > 1)
    throw new ModelSourceError(
      `it is part ${Number(part)} of ${Number(parts)} of a split model`,
      "Take a quantisation that comes in one file, or fetch all parts, merge them (llama-gguf-split --merge) and add the file.",
    );
  return name;
}

/** https, or http to this machine: nothing else is fetched from. */
export function requireSafe(url: URL, what: string): void {
  if (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname))) return;
  throw new ModelSourceError(
    `${what} is not https`,
    "Use https; plain http is only for this machine, because anybody on the way could swap the file.",
    { url: withoutSecrets(url) },
  );
}

function webUrl(text: string, what: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) throw new ModelSourceError(`${what} is no URL`, forms, { given: text.slice(0, 200) });
  if (url.username !== "" || url.password !== "")
    throw new ModelSourceError(
      `${what} carries a password`,
      "Fetch the file with the program that knows the password, then add it by its path.",
    );
  requireSafe(url, what);
  return url;
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "[::1]" || /^127(\.\d+){3}$/.test(host);

/** A URL as it may be shown and kept: what is behind `?` is often a key. */
export const withoutSecrets = (url: URL): string => `${url.origin}${url.pathname}`;

/** The source as the manifest keeps it. */
export function sourceText(source: ModelSource): string {
  if (source.kind === "file") return source.path;
  if (source.kind === "url") return withoutSecrets(source.url);
  if (source.kind === "ipfs") return `ipfs:${source.cid.text}${source.path === "" ? "" : `/${source.path}`}`;
  const { user, model, wanted } = source;
  return "file" in wanted
    ? `hf:${user}/${model}/${wanted.file}${wanted.revision === "main" ? "" : `#${wanted.revision}`}`
    : `hf:${user}/${model}:${wanted.quantization}`;
}

/** What the model is called when the owner does not say: the file's name without its ending. */
export function nameOf(source: ModelSource): string {
  const file = (): string => {
    if (source.kind === "file") return basename(source.path);
    if (source.kind === "url") return basename(decode(source.url.pathname));
    if (source.kind === "ipfs") return source.path === "" ? source.cid.text : basename(source.path);
    return "file" in source.wanted
      ? basename(source.wanted.file)
      : `${source.model.replace(/-gguf$/i, "")}-${source.wanted.quantization}`;
  };
  return file()
    .replace(/\.gguf$/i, "")
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, 100);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
