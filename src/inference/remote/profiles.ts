import { llamaServer } from "./llamaServer.ts";
import { ollama } from "./ollama.ts";
import { openai } from "./openai.ts";
import type { RemoteProfile } from "./profile.ts";
import { sglang } from "./sglang.ts";
import { vllm } from "./vllm.ts";

export const profileNames = ["llama-server", "vllm", "sglang", "ollama", "openai"] as const;
export type ProfileName = (typeof profileNames)[number];

/** The dialects that are spoken. */
export const profiles: Readonly<Record<ProfileName, RemoteProfile>> = Object.freeze({
  "llama-server": llamaServer,
  vllm,
  sglang,
  ollama,
  openai,
});
