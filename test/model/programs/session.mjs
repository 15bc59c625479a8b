// What models/clerk/eval.mjs does (LlamaChatSession), reporting token ids: the yardstick for the engine.
// stdin: {model, system, prompts: [{user, grammar}], texts: {grammar, candidates}}; stdout: JSON.
import { getLlama, LlamaChatSession, LlamaLogLevel } from "node-llama-cpp";
import { text } from "node:stream/consumers";

const input = JSON.parse(await text(process.stdin));
const llama = await getLlama({ gpu: false, build: "never", maxThreads: 1, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: input.model });
const answers = [];
for (const { user, grammar } of input.prompts) {
  const context = await model.createContext({ contextSize: 1024, threads: 1, flashAttention: false });
  const sequence = context.getSequence();
  const session = new LlamaChatSession({ contextSequence: sequence, systemPrompt: input.system });
  const outputTokens = [];
  const answer = await session.prompt(user, {
    temperature: 0,
    maxTokens: 120,
    onToken: (tokens) => void outputTokens.push(...tokens),
    ...(grammar && { grammar: await llama.createGrammar({ grammar }) }),
  });
  answers.push({ text: answer, outputTokens, contextTokens: [...sequence.contextTokens] });
  await context.dispose();
}
const grammar = await llama.createGrammar({ grammar: input.texts.grammar });
// Internal, and the only way to ask llama.cpp's grammar about a text without a model in between.
const accepted = input.texts.candidates.map((candidate) => grammar._testText(candidate));
process.stdout.write(JSON.stringify({ answers, accepted }), () => process.exit(0));
