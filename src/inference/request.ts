import type { Prompt, Sampling } from "../core/inference.ts";
import { InvalidRequestError } from "./errors.ts";
import { promptSchema, samplingSchema } from "./messages.ts";

/** @throws InvalidRequestError with the first thing that is wrong */
export function parseRequest(prompt: Prompt, sampling: Sampling) {
  const parsedPrompt = promptSchema.safeParse(prompt);
  const parsedSampling = samplingSchema.safeParse(sampling);
  if (!parsedPrompt.success || !parsedSampling.success) {
    const issue = (parsedPrompt.error ?? parsedSampling.error)?.issues[0];
    throw new InvalidRequestError(issue?.message ?? "it follows no schema", {
      path: issue?.path.join(".") ?? "",
    });
  }
  return { prompt: parsedPrompt.data, sampling: parsedSampling.data };
}

/** An engine that takes the grammar neither reads nor records the schema beside it. */
export function withoutSchema({ prompt, sampling }: ReturnType<typeof parseRequest>) {
  const { jsonSchema: _, ...rest } = prompt;
  return { prompt: rest, sampling };
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
