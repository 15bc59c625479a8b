export { defineAction, defineTool } from "./agents/defineAction.ts";
export { AgentDeclarationError, defineAgent, type AgentDraft } from "./agents/defineAgent.ts";
export { DeskError } from "./agents/desk.ts";
export { fence } from "./agents/fence.ts";
export { instruct, type InstructOptions } from "./agents/instruct.ts";
export { treasurer, type TreasurerOptions } from "./agents/treasurer.ts";
export { actionWords, type Act, type Action, type Hold, type Transfer } from "./core/action.ts";
export type { ActionDeclaration, Agent, Desk, Reach, ToolDeclaration, TriggerSource } from "./core/agent.ts";
export type { Decision, RecordFields } from "./core/decision.ts";
export { BaseError, type Retry } from "./core/errors.ts";
export type { Inference, Prompt } from "./core/inference.ts";
export type { Fact, Observation, Provenance } from "./core/observation.ts";
export type { Call, Receipt } from "./core/operation.ts";
export type { Reason, Verdict } from "./core/verdict.ts";
export { ConfigError, readConfig, type Config } from "./runtime/config.ts";
export { newKeystore } from "./runtime/newKeystore.ts";
export {
  openHousehold,
  type Household,
  type HouseholdEvent,
  type Member,
  type OpenHouseholdOptions,
} from "./runtime/openHousehold.ts";
export {
  openRuntime,
  type OpenRuntimeOptions,
  type Runtime,
  type RuntimeEvent,
} from "./runtime/openRuntime.ts";
export type { Economics } from "./runtime/economics.ts";
export type { DecisionReport } from "./runtime/report.ts";
