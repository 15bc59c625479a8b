import { readFileSync } from "node:fs";

// A small model that thinks: the weights of the clerk's second version (so that the tests of thoughts stay when the clerk gets better), in whose file the token that ends the clerk's turn is called
// `</think>`. What the clerk would say is this model's thought, which it ends by itself; its answer comes after.

/** Chats as Qwen3 writes them: past thoughts are left out, the last one is shown, and `enable_thinking` is a switch. */
export const THINKER_TEMPLATE = [
  "{% for m in messages %}",
  "{{ '<|im_start|>' + m['role'] + '\\n' }}",
  "{% if m['role'] == 'assistant' %}",
  "{% if loop.last and m['reasoning_content'] %}{{ '<think>\\n' + m['reasoning_content'] + '\\n</think>\\n\\n' }}{% endif %}",
  "{{ m['content'] }}",
  "{% else %}{{ m['content'] }}{% endif %}",
  "{{ '</think>\\n' }}",
  "{% endfor %}",
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}",
  "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}",
  "{% endif %}",
].join("");

const END_OF_TURN = "<|im_end|>";

/** The clerk's second version. */
export const OLD_CLERK = new URL("./clerk-v2-q8_0.gguf", import.meta.url);

/** The file. Its end of turn is the clerk's `</s>`, which the clerk never writes by itself. */
export function thinkerFile({
  template = THINKER_TEMPLATE,
  marker = "</think>",
}: { readonly template?: string; readonly marker?: string } = {}): Buffer {
  const clerk = readFileSync(OLD_CLERK);
  const tokens = clerk.indexOf("tokenizer.ggml.tokens");
  const renamed = replaceText(clerk, clerk.indexOf(text(END_OF_TURN), tokens), marker);
  const eos = renamed.indexOf("tokenizer.ggml.eos_token_id") + "tokenizer.ggml.eos_token_id".length + 4;
  renamed.writeUInt32LE(2, eos);
  const at = renamed.indexOf("tokenizer.chat_template") + "tokenizer.chat_template".length + 4;
  // A comment fills the template up, so that the weights behind the header stay aligned to 32 bytes.
  const bare = replaceText(renamed, at, `${template}{##}`);
  const filler = (((clerk.length - bare.length) % 32) + 32) % 32;
  return replaceText(renamed, at, `${template}{#${" ".repeat(filler)}#}`);
}

/** A GGUF text: its length in bytes (uint64), then the bytes. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

function replaceText(gguf: Buffer, at: number, value: string): Buffer {
  const end = at + 8 + Number(gguf.readBigUInt64LE(at));
  return Buffer.concat([gguf.subarray(0, at), text(value), gguf.subarray(end)]);
}
