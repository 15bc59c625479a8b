import { resolve } from "node:path";
import { describe, expect, it } from "vitest";

import { parseCid, readCid } from "../../../src/inference/contentId.ts";
import { nameOf, parseModelSource, sourceText } from "../../../src/inference/modelSource.ts";

const gateway = "http://127.0.0.1:8080";
/** Of the empty raw block and of the empty folder, from the CID specification's neighbourhood. */
const raw = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
const folder = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";

describe("parseModelSource", () => {
  it.each([
    ["model.gguf", resolve("model.gguf"), "model"],
    ["./a/Model File.GGUF", resolve("a/Model File.GGUF"), "model-file"],
    ["https://example.org/a/M.gguf?token=1#x", "https://example.org/a/M.gguf", "m"],
    ["http://localhost:1/m.gguf", "http://localhost:1/m.gguf", "m"],
    ["hf:Qwen/Qwen3-4B-GGUF:Q8_0", "hf:Qwen/Qwen3-4B-GGUF:Q8_0", "qwen3-4b-q8_0"],
    ["hf:Qwen/Qwen3-4B-GGUF", "hf:Qwen/Qwen3-4B-GGUF:latest", "qwen3-4b-latest"],
    ["hf:u/m/dir/f.gguf", "hf:u/m/dir/f.gguf", "f"],
    ["huggingface:u/m/f.gguf#refs/pr/1", "hf:u/m/f.gguf#refs/pr/1", "f"],
    ["https://huggingface.co/u/m/blob/main/f.gguf", "hf:u/m/f.gguf", "f"],
    ["https://huggingface.co/u/m/resolve/v2/f.gguf?download=true", "hf:u/m/f.gguf#v2", "f"],
    [`ipfs://${folder}/f.gguf`, `ipfs:${folder}/f.gguf`, "f"],
    [`ipfs:${raw}`, `ipfs:${raw}`, raw],
  ])("%s", (text, kept, name) => {
    const source = parseModelSource(text, { gateway });
    expect(sourceText(source)).toBe(kept);
    expect(nameOf(source)).toBe(name);
  });

  it.each([
    ["", /nothing is named/],
    ["s3:bucket/x.gguf", /"s3:" is no source/],
    ["http://example.org/x.gguf", /not https/],
    ["http://127.0.0.1.example.org/x.gguf", /not https/],
    ["https://user:pass@example.org/x.gguf", /carries a password/],
    ["https://", /is no URL/],
    ["https://example.org/x-00002-of-00004.gguf", /part 2 of 4 of a split model/],
    ["hf:u/m/x-00001-of-00002.gguf", /split model/],
    ["hf:u", /not understood/],
    ["hf:u/m:Q8:Q4", /not understood/],
    ["hf:../m:Q8", /not understood/],
    ["hf:u/m/../x.gguf", /not understood/],
    ["hf:u/m/x.gguf#a#b", /not understood/],
    ["hf:u/m:Q8_0#abc", /a revision needs the file's name/],
    ["ipfs:nonsense", /no CID/],
  ])("refuses %s", (text, words) => {
    expect(() => parseModelSource(text, { gateway })).toThrow(words);
  });

  it("has no gateway of its own", () => {
    expect(() => parseModelSource(`ipfs:${raw}`)).toThrow(/no gateway is named/);
    expect(() => parseModelSource(`ipfs:${raw}`, { gateway: "http://example.org" })).toThrow(/not https/);
    expect(() => parseModelSource("hf:u/m:Q8_0", { endpoint: "ftp://example.org" })).toThrow(/not https/);
  });
});

describe("parseCid", () => {
  const emptyFolder = "0x59948439065f29619ef41280cbb932be52c56d99c5966b65e0111239f098bbef";

  it("knows block and hash in every way to write them", () => {
    const emptyBlock = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    expect(parseCid(raw)).toEqual({ text: raw, codec: "raw", blockSha256: emptyBlock });
    expect(parseCid("zb2rhmy65F3REf8SZp7De11gxtECBGgUKaLdiDj7MCGCHxbDW")).toMatchObject({
      codec: "raw",
      blockSha256: emptyBlock,
    });
    expect(parseCid(folder)).toEqual({ text: folder, codec: "dag-pb", blockSha256: emptyFolder });
    const old = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
    expect(parseCid(old)).toEqual({ text: old, codec: "dag-pb", blockSha256: emptyFolder });
  });

  it("writes the binary form anew as version 1", () => {
    const bytes = Buffer.from(`1220${emptyFolder.slice(2)}`, "hex");
    expect(readCid(bytes)?.text).toBe(folder);
    expect(readCid(bytes.subarray(1))).toBeUndefined();
  });

  it.each([
    ["another alphabet", raw.toUpperCase()],
    ["a letter less", raw.slice(0, -1)],
    ["a letter more", `${raw}a`],
    ["bits behind the end", `${raw.slice(0, -1)}v`],
    ["another hash function", "bafkrqihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"],
    ["another codec", "bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"],
    ["nothing", ""],
  ])("refuses %s", (_, text) => {
    expect(() => parseCid(text)).toThrow(/no CID/);
  });
});
