import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Inference } from "../../../../src/core/inference.ts";
import { inferenceSchema } from "../../../../src/inference/messages.ts";
import {
  prompt,
  greedy,
  yes,
  folder,
  serve,
  engineAt,
  failure,
  bodyFor,
  dialects,
  atAnswers,
} from "./scene.ts";

it("neither bounds a thought nor measures a prompt, and says so", async () => {
  const server = await serve("llama-server");
  const engine = await engineAt(server, "llama-server");
  const refused = { name: "InvalidRequestError" };
  await expect(engine.infer({ ...prompt, thought: { maxTokens: 9 } }, greedy)).rejects.toMatchObject(refused);
  await expect(engine.measure(prompt)).rejects.toMatchObject(refused);
  expect((await engine.infer({ ...prompt, options: ["yes", "no"] }, greedy)).options).toBeUndefined();
});

describe.each(dialects)("%s", (dialect) => {
  it("answers, and the record says that a server did", async () => {
    const server = await serve(dialect);
    const engine = await engineAt(server, `${dialect}`, { url: `${server.url}/v1/` });
    expect(engine).toMatchObject({ mode: "remote", model: { file: "clerk", sha256: null }, settings: null });
    const inference = await engine.infer(prompt, greedy);
    expect(inference).toMatchObject({
      mode: "remote",
      model: { file: "clerk", sha256: null },
      settings: null,
      prompt,
      text: "yes, 你好 🚀",
      stopReason: "end",
      remote: { profile: dialect, url: server.url, askedModel: "clerk" },
    });
    expect(Object.isFrozen(inference.remote)).toBe(true);
    expect(inferenceSchema.parse(JSON.parse(JSON.stringify(inference)))).toEqual(inference);
  });

  it("hands on token ids where the server tells them, and none where it does not", async () => {
    const { inference } = await bodyFor(dialect, {});
    const tells = dialect !== "ollama" && dialect !== "openai";
    expect(inference.outputTokens).toEqual(tells ? [7, 8, 9] : []);
    expect(inference.remote!.tellsTokens).toEqual({ prompt: tells, output: tells });
    expect(inference.promptTokens.length > 0).toBe(tells);
    expect(inference.remote!.usage.outputTokens).toBe(4);
    expect(inference.remote!.usage.cachedTokens).toBe(dialect === "ollama" ? null : 16);
    expect(inference.remote!.logprobsMilli).toEqual(dialect === "openai" ? null : [-250, -250, -250]);
  });

  it("says that the budget cut the answer", async () => {
    const server = await serve(dialect, () =>
      Promise.resolve({ text: "ye", outputTokens: [7], stopReason: "maxTokens" }),
    );
    expect(await (await engineAt(server, dialect)).infer(prompt, greedy)).toMatchObject({
      text: "ye",
      stopReason: "maxTokens",
    });
  });

  it("can verify nothing: not its own records, not those of others", async () => {
    const engine = await engineAt(await serve(dialect), dialect);
    const inference = await engine.infer(prompt, greedy);
    const local: Inference = { ...inference, mode: "canonical" };
    const tolerance = { marginMilli: 1, fingerprintMilli: 1, flipsPermille: 1 };
    for (const verdict of [
      await engine.reExecute(inference),
      await engine.reCheck(inference, tolerance),
      await engine.reExecute(local),
      await engine.reCheck(local, tolerance),
    ])
      expect(verdict).toMatchObject({ verdict: "UNVERIFIABLE", why: expect.stringMatching(/\w/) });
  });

  it("takes the name that the server answers with, and keeps the one it asked by", async () => {
    const server = await serve(dialect, yes, { answersAs: "clerk-2026-11-22" });
    const engine = await engineAt(server, dialect);
    expect(await engine.infer(prompt, greedy)).toMatchObject({
      model: { file: "clerk-2026-11-22" },
      remote: { askedModel: "clerk" },
    });
  });

  it("sends the key, and shows it nowhere", async () => {
    const file = join(folder, `${dialect}.key`);
    await writeFile(file, "sk-very-secret\n");
    const server = await serve(dialect, yes, { key: "sk-very-secret" });
    const engine = await engineAt(server, dialect, { apiKeyFile: file });
    const inference = await engine.infer(prompt, greedy);
    expect(JSON.stringify([inference, engine])).not.toContain("sk-very-secret");
    expect(server.asked.every(({ headers }) => headers.authorization === "Bearer sk-very-secret")).toBe(true);

    await writeFile(file, "sk-old-secret");
    const refused = await failure(engineAt(server, dialect, { apiKeyFile: file }));
    expect(refused).toMatchObject({ name: "RemoteRefusedError", retry: "never" });
    // The server repeats what it was sent.
    expect(refused.message).toContain("Incorrect API key: Bearer [key]");
    expect(refused.message).not.toContain("sk-old-secret");
  });

  it("tells a model that the server does not have", async () => {
    if (dialect === "llama-server") return; // It serves one, whatever it is called.
    const server = await serve(dialect);
    const engine = await engineAt(server, dialect, { model: "gpt-none" });
    expect(await failure(engine.infer(prompt, greedy))).toMatchObject({
      name: "RemoteRefusedError",
      facts: { said: expect.stringMatching(/does not exist|not found/) },
    });
  });

  it("keeps its deadline, and stops the server", async () => {
    const server = await serve(dialect, () => new Promise(() => undefined));
    const engine = await engineAt(server, dialect, { deadlines: { inferMs: 150 } });
    expect(await failure(engine.infer(prompt, greedy))).toMatchObject({
      name: "InferenceTimeoutError",
      retry: "safe",
      facts: { phase: "prefill", deadlineMs: "150" },
    });
    await expect.poll(() => server.questions()[0]!.gone).toBe(true);
  });

  it("lets go when its caller does", async () => {
    const server = await serve(dialect, () => new Promise(() => undefined));
    const engine = await engineAt(server, dialect);
    const stop = new AbortController();
    const answer = failure(engine.infer(prompt, greedy, { signal: stop.signal }));
    await expect.poll(() => server.questions().length).toBe(1);
    stop.abort(new Error("enough"));
    expect((await answer).name).toBe("InferenceAbortedError");
    await expect.poll(() => server.questions()[0]!.gone).toBe(true);
    expect((await failure(engine.infer(prompt, greedy, { signal: AbortSignal.timeout(50) }))).name).toBe(
      "InferenceTimeoutError",
    );
  });

  it("is closed once and for all", async () => {
    const server = await serve(dialect, () => new Promise(() => undefined));
    const engine = await engineAt(server, dialect);
    const answer = failure(engine.infer(prompt, greedy));
    await expect.poll(() => server.questions().length).toBe(1);
    await engine.close();
    expect((await answer).name).toBe("EngineClosedError");
    expect((await failure(engine.infer(prompt, greedy))).name).toBe("EngineClosedError");
  });

  it.each([
    ["a server that is down", "RemoteUnreachableError", "cut", undefined],
    ["a server that fails", "RemoteFailedError", 503, "overloaded"],
    ["a server that has enough", "RemoteFailedError", 429, "slow down"],
    ["a server that refuses", "RemoteRefusedError", 400, "unknown field"],
    ["a redirect", "RemoteAnswerError", 307, ""],
    ["what is no JSON", "RemoteAnswerError", 200, "<html>hello</html>"],
    ["JSON of another dialect", "RemoteAnswerError", 200, '{"choices":7,"content":7,"message":7}'],
    ["nothing", "RemoteAnswerError", 200, ""],
  ] as const)("loses nothing with %s, and is well again after it", async (_what, name, status, body) => {
    const server = await serve(dialect);
    const engine = await engineAt(server, dialect);
    server.mishap = atAnswers((response) => {
      if (status === "cut") return void response.destroy();
      const framed = body.startsWith("{") && status === 200 && dialect !== "sglang" && dialect !== "ollama";
      response.writeHead(status, { location: "http://127.0.0.1:9/" });
      response.end(framed ? `data: ${body}\n\n` : body);
    });
    expect((await failure(engine.infer(prompt, greedy))).name).toBe(name);
    server.mishap = undefined;
    expect((await engine.infer(prompt, greedy)).text).toBe("yes, 你好 🚀");
  });

  it("does not follow a server that goes on for ever", async () => {
    const server = await serve(dialect);
    const engine = await engineAt(server, dialect, { deadlines: { inferMs: 20_000 } });
    let sent = 0;
    server.mishap = atAnswers(async (response) => {
      response.writeHead(200);
      const piece = "x".repeat(60_000);
      const event = {
        "llama-server": `data: ${JSON.stringify({ content: piece })}\n\n`,
        vllm: `data: ${JSON.stringify({ choices: [{ delta: { content: piece } }] })}\n\n`,
        openai: `data: ${JSON.stringify({ choices: [{ delta: { content: piece } }] })}\n\n`,
        ollama: `${JSON.stringify({ message: { content: piece }, done: false })}\n`,
        sglang: piece,
      }[dialect];
      while (!response.destroyed && sent < 1000) {
        sent++;
        if (!response.write(event)) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    const error = await failure(engine.infer(prompt, greedy));
    expect(error.name).toBe("RemoteAnswerError");
    expect(error.message).toMatch(/too long|goes on beyond/);
    expect(sent).toBeLessThan(1000);
  });
});
