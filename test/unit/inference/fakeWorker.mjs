// A stand-in for src/inference/worker.ts that speaks its protocol without a model. What it does is written in the
// model's path (for opening) and in the first message (for a request).
import { appendFileSync, readFileSync } from "node:fs";

const ZERO = `0x${"0".repeat(64)}`;
const ready = (file) => ({
  type: "ready",
  mode: "canonical",
  model: {
    file,
    sha256: ZERO,
    sizeBytes: 1,
    architecture: "none",
    quantization: "none",
    parameters: 0,
    contextLength: 1024,
    templateSha256: null,
    tokenizerSha256: ZERO,
  },
  runtime: {
    binding: "fake",
    llamaCpp: "none",
    backend: "none",
    devices: [],
    libraries: [],
    platform: "none",
  },
  settings: {
    contextSize: 1024,
    batchSize: 512,
    threads: 1,
    flashAttention: false,
    gpuLayers: 0,
    sequences: 1,
  },
});
const result = (id, text) => ({
  type: "result",
  id,
  promptTokens: [1],
  outputTokens: [2],
  text,
  stopReason: "end",
  fingerprints: { every: 32, rows: [] },
  thought: null,
  options: null,
  prefillMs: 0,
  generationMs: 0,
  reusedTokens: 0,
});
const send = (message) => process.send(message);
let cancelled = () => {};

process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.on("message", (message) => {
  if (message.type === "cancel") return cancelled(message.id);
  if (message.type === "open") {
    const name = message.modelPath.split("/").at(-1);
    if (name.startsWith("log-")) appendFileSync(message.modelPath, `${process.pid}\n`);
    const starts = name.startsWith("log-")
      ? readFileSync(message.modelPath, "utf8").trim().split("\n").length
      : 1;
    send({ type: "progress", phase: "hashing", permille: 500 });
    if (name === "hang-load") return;
    if (name === "crash-load") return process.kill(process.pid, "SIGSEGV");
    if (name === "wrong-hash")
      return send({
        type: "failed",
        id: null,
        code: "hash",
        message: "differs",
        facts: { expected: ZERO, actual: `0x${"1".repeat(64)}` },
      });
    if (name === "nonsense") return send({ type: "ready", secrets: "please" });
    return send(ready(name === "log-changing" ? `start-${starts}` : "steady"));
  }
  const words = message.prompt.messages[0].content;
  if (words === "crash") {
    process.stderr.write("GGML_ASSERT(n > 0) failed\n");
    return setTimeout(() => process.kill(process.pid, "SIGSEGV"), 20);
  }
  if (words === "hang") return;
  if (words === "nonsense") return send({ type: "result", id: message.id });
  if (words === "stale") send(result(message.id + 1000, "stale"));
  if (words === "cancellable") {
    send({ type: "phase", id: message.id, phase: "generation" });
    cancelled = (id) => send({ type: "failed", id, code: "cancelled", message: "cancelled", facts: {} });
    return;
  }
  if (words === "long")
    return send({
      type: "failed",
      id: message.id,
      code: "promptTooLong",
      message: "x",
      facts: { tokens: "1000", maxTokens: "100", contextSize: "1024" },
    });
  setTimeout(() => send(result(message.id, `${words} by ${process.pid}`)), words === "slow" ? 100 : 1);
});
send({ type: "booted" });
