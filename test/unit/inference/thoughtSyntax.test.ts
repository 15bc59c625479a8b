import {
  DeepSeekChatWrapper,
  HarmonyChatWrapper,
  JinjaTemplateChatWrapper,
  QwenChatWrapper,
  type ChatWrapper,
} from "node-llama-cpp";
import { expect, test } from "vitest";
import { openThought, thoughtSyntaxOf, withoutThought } from "../../../src/inference/thoughtSyntax.ts";

// What is read out of templates in the shapes that models come with. The chat's text never moves.

const CHAT = [
  { role: "system", content: "Be brief. </think>" },
  { role: "user", content: "2+2? </think>" },
] as const;

const jinja = (template: string, reasoning: boolean) =>
  new JinjaTemplateChatWrapper({ template, reasoning, functionCallMessageTemplate: "noJinja" });

/** Syntax, and the prompt's end with and without a thought. */
function read(template: string, wrapper: ChatWrapper, quiet: ChatWrapper) {
  const syntax = thoughtSyntaxOf(wrapper, quiet, template);
  if (syntax === null) return null;
  const [think, silent] = [openThought(wrapper, syntax, CHAT), withoutThought(quiet, syntax, CHAT)].map(
    (text) => {
      const whole = text.toString();
      const user = whole.lastIndexOf("2+2? </think>");
      expect(whole.slice(0, user)).toContain("Be brief. </think>");
      return whole.slice(user + "2+2? </think>".length);
    },
  );
  return { ...syntax, think, silent };
}

const turns = (assistant: string) =>
  `{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<bot>' }}${assistant}{{ '<end>' }}{% else %}{{ '<' + m['role'] + '>' + m['content'] + '<end>' }}{% endif %}{% endfor %}`;
const shown =
  "{% if m['reasoning_content'] %}{{ '<think>\\n' + m['reasoning_content'] + '\\n</think>\\n\\n' }}{% endif %}{{ m['content'] }}";

test("a template with a switch (Qwen3): the switch is used, and the white space behind a thought comes from it", () => {
  const template = `${turns(shown)}{% if add_generation_prompt %}{{ '<bot>' }}{% if not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}`;
  expect(read(template, jinja(template, true), jinja(template, false))).toEqual({
    opening: "<think>\n",
    marker: "</think>",
    bridge: "\n</think>\n\n",
    empty: "<think>\n\n</think>\n\n",
    think: "<end><bot><think>\n",
    silent: "<end><bot><think>\n\n</think>\n\n",
  });
  // The binding's own wrapper leaves the white space to the model.
  expect(
    read(template, new QwenChatWrapper(), new QwenChatWrapper({ thoughts: "discourage" })),
  ).toMatchObject({ bridge: "\n</think>\n\n", silent: expect.stringMatching(/<think>\n\n<\/think>\n\n$/) });
});

test("a template that always thinks (DeepSeek-R1): an empty thought stands for none", () => {
  const template = `${turns("{{ m['content'].split('</think>')[-1] }}")}{% if add_generation_prompt %}{{ '<bot><think>\\n' }}{% endif %}`;
  expect(read(template, new DeepSeekChatWrapper(), new DeepSeekChatWrapper())).toMatchObject({
    opening: "<think>\n",
    marker: "</think>",
    think: expect.stringMatching(/<think>\n$/),
    silent: expect.stringMatching(/<think>\n<\/think>$/),
  });
});

test("a template that closes an empty thought in front of each answer: it is opened, not doubled", () => {
  const template = `${turns("{{ '<think></think>' + m['content'] }}")}{% if add_generation_prompt %}{{ '<bot><think>' }}{% endif %}`;
  expect(read(template, jinja(template, true), jinja(template, false))).toMatchObject({
    think: "<end><bot><think>",
    silent: "<end><bot><think></think>",
  });
});

test("a template that opens the thought with the answer (GLM)", () => {
  const template = `${turns("{{ '<think>' + (m['reasoning_content'] or '') + '</think>\\n' + m['content'] }}")}{% if add_generation_prompt %}{{ '<bot><think>' }}{% endif %}`;
  expect(read(template, jinja(template, true), jinja(template, false))).toEqual({
    opening: null,
    marker: "</think>",
    bridge: "</think>\n",
    empty: null,
    think: "<end><bot><think>",
    silent: "<end><bot><think></think>\n",
  });
});

test("channels (gpt-oss): the answer has a channel of its own", () => {
  const template = "{{ '<|start|>assistant<|channel|>analysis<|message|><|end|>' }}";
  const todayDate = new Date("2024-07-26T12:00:00Z");
  const wrapper = new HarmonyChatWrapper({ todayDate });
  expect(read(template, wrapper, wrapper)).toMatchObject({
    marker: "<|end|>",
    bridge: "<|end|><|start|>assistant<|channel|>final<|message|>",
    think: "<|end|><|start|>assistant<|channel|>analysis<|message|>",
    silent: "<|end|><|start|>assistant<|channel|>final<|message|>",
  });
});

test("a template that writes no marker has no thoughts, whatever the wrapper of its family knows", () => {
  const template = turns("{{ m['content'] }}");
  expect(read(template, new QwenChatWrapper(), new QwenChatWrapper())).toBeNull();
  expect(read(template, jinja(template, true), jinja(template, false))).toBeNull();
});
