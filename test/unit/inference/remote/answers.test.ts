import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { canonicalize } from "../../../../src/core/canonical.ts";
import { inferenceSchema } from "../../../../src/inference/messages.ts";
import {
  openRemoteEngine,
  type OpenRemoteOptions,
} from "../../../../src/inference/remote/openRemoteEngine.ts";
import { json, type Dialect } from "../../../doubles/inferenceServer.ts";
import { prompt, greedy, folder, serve, engineAt, failure, atAnswers } from "./scene.ts";

describe("answers that contradict themselves", () => {
  const usageOf = (changes: object) => ({
    choices: [
      { message: { content: "yes" }, finish_reason: "stop", token_ids: [1, 2], prompt_token_ids: [1, 2, 3] },
    ],
    usage: { prompt_tokens: 3, completion_tokens: 3, ...changes },
  });
  it.each([
    [
      "more tokens than were asked for",
      usageOf({ completion_tokens: 1000 }),
      /more tokens than were asked for/,
    ],
    ["fewer tokens than it shows", usageOf({ completion_tokens: 1 }), /fewer tokens than it shows/],
    ["another prompt", usageOf({ prompt_tokens: 4 }), /another prompt/],
    [
      "more reuse than prompt",
      usageOf({ prompt_tokens_details: { cached_tokens: 4 } }),
      /more of the prompt/,
    ],
    ["negative tokens", usageOf({ completion_tokens: -1 }), /not in the dialect/],
    [
      "a token that no model has",
      { choices: [{ message: { content: "y" }, finish_reason: "stop", token_ids: [2 ** 31] }] },
      /not in the dialect/,
    ],
    [
      "a million tokens at once",
      {
        choices: [
          {
            message: { content: "y" },
            finish_reason: "stop",
            token_ids: Array.from({ length: 1_000_000 }, () => 1),
          },
        ],
      },
      /goes on beyond/,
    ],
    [
      "probabilities for more tokens than there are",
      {
        choices: [
          {
            message: { content: "y" },
            finish_reason: "stop",
            logprobs: { content: Array.from({ length: 10_000 }, () => ({ logprob: -1 })) },
          },
        ],
      },
      /goes on beyond/,
    ],
    [
      "a token more than certain",
      {
        choices: [
          { message: { content: "y" }, finish_reason: "stop", logprobs: { content: [{ logprob: 1e300 }] } },
        ],
      },
      /more than certain/,
    ],
    ["a prompt that no model reads", usageOf({ prompt_tokens: 2 ** 40 }), /than a prompt can have/],
    ["no end", { choices: [{ message: { content: "yes" } }] }, /before it is complete/],
    [
      "a filter",
      { choices: [{ message: { content: "y" }, finish_reason: "content_filter" }] },
      /content_filter/,
    ],
    ["an error in the answer", { error: { message: "boom" }, choices: [] }, /an error/],
    [
      "half a character",
      { choices: [{ message: { content: "\ud800" }, finish_reason: "stop" }] },
      /lone surrogate/,
    ],
  ])("%s", async (_what, document, said) => {
    const server = await serve("sglang");
    const engine = await engineAt(server, "sglang");
    server.mishap = atAnswers((response) => json(response, 200, document));
    const error = await failure(engine.infer(prompt, greedy));
    expect(error).toMatchObject({ name: "RemoteAnswerError", retry: "safe" });
    expect(error.message).toMatch(said);
  });

  it("an answer that was cut off is none", async () => {
    const server = await serve("vllm");
    const engine = await engineAt(server, "vllm");
    const event = { choices: [{ delta: { content: "ye" } }] };
    server.mishap = atAnswers((response) => {
      response.writeHead(200, { "content-length": "100000" });
      response.write(`data: ${JSON.stringify(event)}\n\n`, () => response.destroy());
    });
    expect((await failure(engine.infer(prompt, greedy))).name).toBe("RemoteUnreachableError");
    server.mishap = atAnswers((response) => {
      response.writeHead(200);
      response.end(`data: ${JSON.stringify(event)}\n\n`);
    });
    expect((await failure(engine.infer(prompt, greedy))).message).toMatch(/ends before it is complete/);
  });

  it("what a server claims of itself in an answer can be recorded, whatever it is", async () => {
    const server = await serve("vllm");
    const engine = await engineAt(server, "vllm");
    server.mishap = atAnswers((response) => {
      const answer = JSON.stringify({
        system_fingerprint: `\u001b[2J${"x".repeat(9000)}`,
        choices: [{ delta: { content: "yes" }, finish_reason: "stop" }],
      });
      response.end(`data: ${answer.replace("x", String.raw`\ud800`)}\n\n`);
    });
    const inference = await engine.infer(prompt, greedy);
    expect(inferenceSchema.parse(JSON.parse(canonicalize(inference as never)))).toEqual(inference);
    // oxlint-disable-next-line no-control-regex
    expect(inference.remote!.claims["fingerprint"]).not.toMatch(/[\u0000-\u001f]/);
  });

  it("control characters of a server reach no terminal", async () => {
    const server = await serve("vllm");
    const engine = await engineAt(server, "vllm");
    server.mishap = atAnswers((response) =>
      json(response, 400, { error: { message: "\u001b[2Jgone\u0007" } }),
    );
    const { message } = await failure(engine.infer(prompt, greedy));
    expect(message).toContain("gone");
    // oxlint-disable-next-line no-control-regex
    expect(message).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});

describe("addresses and keys", () => {
  const at = (url: string, more: Partial<OpenRemoteOptions> = {}) =>
    failure(openRemoteEngine({ url, profile: "vllm", model: "m", ...more }));
  it("takes https, or http to this machine", async () => {
    for (const url of ["http://10.0.0.1", "http://127.0.0.1.evil.example", "ftp://127.0.0.1", "nonsense", ""])
      expect((await at(url)).name).toBe("RemoteAddressError");
    expect((await at("http://127.0.0.1:9")).name).toBe("RemoteUnreachableError");
    expect((await at("http://[::1]:9")).name).toBe("RemoteUnreachableError");
  });

  it("takes no secret in the URL", async () => {
    for (const url of ["https://me:pw@host/", "https://host/?key=1", "https://host/#key"]) {
      const error = await at(url);
      expect(error.name).toBe("RemoteAddressError");
      expect(error.message).not.toMatch(/pw|key=1/);
    }
  });

  it("wants the key alone in its file", async () => {
    const file = join(folder, "key");
    expect((await at("http://127.0.0.1:9", { apiKeyFile: file })).message).toMatch(/can't be read[^]*ENOENT/);
    for (const content of ["", "\n", "KEY=1\nOTHER=2", "with space", "é"]) {
      await writeFile(file, content);
      await chmod(file, 0o600);
      expect((await at("http://127.0.0.1:9", { apiKeyFile: file })).message).toMatch(/holds no key/);
    }
  });

  it("refuses options that make no sense", async () => {
    for (const more of [
      { model: "" },
      { profile: "none" as Dialect },
      { deadlines: { inferMs: 0 } },
      { deadlines: { openMs: 1.5 } },
      { contextSize: -1 },
    ])
      expect((await at("http://127.0.0.1:9", more)).name).toBe("InvalidRequestError");
    const engine = await engineAt(await serve("vllm"), "vllm");
    expect((await failure(engine.infer({ ...prompt, maxTokens: 0 }, greedy))).name).toBe(
      "InvalidRequestError",
    );
  });
});
