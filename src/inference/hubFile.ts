import * as z from "zod";
import type { Hex } from "viem";
import { fetchModel, refusedBy, sha256Of } from "./fetchModel.ts";
import { wholeFile, type ModelSource } from "./modelSource.ts";
import { ModelDownloadError } from "./storeErrors.ts";

export type HubFile = { readonly file: string; readonly url: URL; readonly publishedSha256: Hex | null };
type HubSource = Extract<ModelSource, { kind: "hub" }>;

const manifestSchema = z.looseObject({
  ggufFile: z.looseObject({
    rfilename: z.string().min(1).max(1000),
    lfs: z.looseObject({ sha256: z.string().optional() }).optional(),
  }),
});
/** Bytes of the hub's answer that are read. */
const LONGEST_ANSWER = 1 << 20;

/** The file of a hub's repository, and its URL. A quantisation costs a question to the hub. */
export async function findHubFile(source: HubSource, signal: AbortSignal): Promise<HubFile> {
  const { wanted } = source;
  if ("file" in wanted)
    return { file: wanted.file, url: fileUrl(source, wanted.file, wanted.revision), publishedSha256: null };
  const url = below(source.endpoint, ["v2", source.user, source.model, "manifests", wanted.quantization]);
  // The hub names the file only to programs of this kind (llama.cpp pull request 11195).
  const { response } = await fetchModel(
    url,
    { "user-agent": "llama-cpp", accept: "application/json" },
    signal,
  );
  if (!response.ok) {
    await response.body?.cancel();
    if (response.status === 400 || response.status === 404)
      throw new ModelDownloadError(
        `the hub knows no ${wanted.quantization} of ${source.user}/${source.model}`,
        "Look at the repository's list of files, and name one: hf:user/model/file.gguf.",
        { url: url.href, status: response.status },
      );
    throw refusedBy(response, url);
  }
  const parsed = manifestSchema.safeParse(await readJson(response));
  const file = parsed.data?.ggufFile.rfilename;
  if (file === undefined || file.split("/").some((part) => part === "" || part === "." || part === ".."))
    throw new ModelDownloadError(
      "the hub's answer names no GGUF file",
      "Name the file yourself: hf:user/model/file.gguf.",
      { url: url.href },
    );
  return {
    file: wholeFile(file),
    url: fileUrl(source, file, "main"),
    publishedSha256: sha256Of(parsed.data?.ggufFile.lfs?.sha256),
  };
}

async function readJson(response: Response): Promise<unknown> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > LONGEST_ANSWER) return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const fileUrl = ({ endpoint, user, model }: HubSource, file: string, revision: string): URL =>
  below(endpoint, [user, model, "resolve", revision, ...file.split("/")]);

const below = (endpoint: URL, parts: readonly string[]): URL =>
  new URL(`${endpoint.href.replace(/\/+$/, "")}/${parts.map(encodeURIComponent).join("/")}`);
