export { AgentDeclarationError, defineAgent } from "./agents/defineAgent.ts";
export { treasurer, type TreasurerOptions } from "./agents/treasurer.ts";
export type { Action, Hold, Transfer } from "./core/action.ts";
export type { Agent, TriggerSource } from "./core/agent.ts";
export type { Decision, RecordFields } from "./core/decision.ts";
export { BaseError, type Retry } from "./core/errors.ts";
export type { Inference, Prompt } from "./core/inference.ts";
export type { Fact, Observation, Provenance } from "./core/observation.ts";
export type { Receipt } from "./core/operation.ts";
export type { Reason, Verdict } from "./core/verdict.ts";
export { ConfigError, readConfig, type Config } from "./runtime/config.ts";
export { newKeystore } from "./runtime/newKeystore.ts";
export {
  openRuntime,
  type OpenRuntimeOptions,
  type Runtime,
  type RuntimeEvent,
} from "./runtime/openRuntime.ts";
export type { DecisionReport } from "./runtime/report.ts";
