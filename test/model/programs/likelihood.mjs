// How likely the model finds texts behind a prompt, computed another way than the engine does: every token of the
// vocabulary's probability by the binding, an empty sequence for each text, everything evaluated at once.
// Reads {model, promptTokens, texts} and writes one natural logarithm for each text.

import { json } from "node:stream/consumers";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const { model: modelPath, promptTokens, texts } = await json(process.stdin);
const llama = await getLlama({ gpu: false, build: "never", maxThreads: 1, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const context = await model.createContext({
  contextSize: 1024,
  batchSize: 512,
  threads: 1,
  flashAttention: false,
});
const sequence = context.getSequence();
const logs = [];
for (const text of texts) {
  await sequence.clearHistory();
  const tokens = model.tokenize(text, false);
  const all = [...promptTokens, ...tokens];
  const results = await sequence.controlledEvaluate(
    all.map((token, at) =>
      at < promptTokens.length - 1
        ? token
        : [token, { generateNext: { probabilities: true, options: { temperature: 0 } } }],
    ),
  );
  logs.push(
    tokens.reduce(
      (sum, token, index) =>
        sum + Math.log(results[promptTokens.length - 1 + index].next.probabilities.get(token)),
      0,
    ),
  );
}
process.stdout.write(JSON.stringify(logs), () => process.exit(0));
