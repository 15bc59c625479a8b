import type { JsonObject } from "./json.ts";

export type TriggerKind = "mail" | "clock" | "chainEvent" | "webhook" | "operator" | "wallet";

/** Why an agent wakes: one thing that happened, named so that it wakes the agent once, whatever restarts in between. */
export type Trigger = {
  readonly kind: TriggerKind;
  /** The same happening has the same id after any restart, e.g. `mail:0x…` over the mail's bytes. */
  readonly dedupeId: string;
  /** What people call it, e.g. a file name. */
  readonly label: string;
  /** Everything the decision needs from it: the source may be gone when a crashed runtime resumes. */
  readonly payload: JsonObject;
};
