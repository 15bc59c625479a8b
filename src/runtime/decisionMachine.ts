import { assign, fromPromise, setup } from "xstate";

/** How a decision ended. `paid`: a transfer; `acted`: calls of the agent's own action; `noted`: an action without calls;
 * `displaced`: somebody else used its nonce. */
export type Outcome =
  "paid" | "acted" | "noted" | "held" | "refused" | "asked" | "reverted" | "expired" | "displaced";

export type DecisionContext = {
  readonly outcome: Outcome | null;
  /** When the outcome came, unix milliseconds; null before it, and in decisions of version 1. */
  readonly endedAtMs: number | null;
};

/** What a step tells the machine: only what decides the order. Everything else goes to the journal. */
export type StepSignal = { readonly next: "go" } | { readonly next: "end"; readonly outcome: Outcome };

/** Effects are named here and run outside: this machine is only ever used as a pure reducer. */
const named = fromPromise<StepSignal>(() =>
  Promise.reject(new Error("The decision machine runs no effects.")),
);

const ends = ({ event }: { event: unknown }): boolean =>
  (event as { output?: StepSignal }).output?.next === "end";
const endOf = ({ event }: { readonly event: unknown }): DecisionContext => {
  const { atMs = null, output } = event as { readonly output?: StepSignal; readonly atMs?: number };
  return output?.next === "end"
    ? { outcome: output.outcome, endedAtMs: atMs }
    : { outcome: null, endedAtMs: null };
};

/**
 * The life of ONE decision: design §5, in order. It owns the order and nothing else; time, randomness and results
 * arrive as events. `onError` is absent on purpose: a step that fails is repeated or stops the house, it never
 * becomes a different decision.
 */
export const decisionMachine = setup({
  types: { context: {} as DecisionContext },
  actors: {
    observe: named,
    infer: named,
    parse: named,
    judge: named,
    seal: named,
    sign: named,
    send: named,
    settle: named,
    record: named,
  },
  guards: { ends },
  actions: { end: assign(endOf) },
}).createMachine({
  id: "decision",
  version: "2",
  context: { outcome: null, endedAtMs: null },
  initial: "observing",
  states: {
    observing: { invoke: { id: "observe", src: "observe", onDone: "inferring" } },
    // A mail that is too long for the model ends the thinking, not the decision: parse makes it a hold.
    inferring: { invoke: { id: "infer", src: "infer", onDone: "parsing" } },
    parsing: { invoke: { id: "parse", src: "parse", onDone: "judging" } },
    judging: { invoke: { id: "judge", src: "judge", onDone: "sealing" } },
    sealing: {
      invoke: {
        id: "seal",
        src: "seal",
        onDone: [{ guard: "ends", target: "recording", actions: "end" }, { target: "signing" }],
      },
    },
    signing: {
      invoke: {
        id: "sign",
        src: "sign",
        onDone: [{ guard: "ends", target: "recording", actions: "end" }, { target: "sending" }],
      },
    },
    sending: { invoke: { id: "send", src: "send", onDone: "settling" } },
    settling: {
      invoke: {
        id: "settle",
        src: "settle",
        onDone: { target: "recording", actions: "end" },
      },
    },
    recording: { invoke: { id: "record", src: "record", onDone: "done" } },
    done: { type: "final" },
  },
});

/** Stored with each snapshot: of another version's, `migrateMachine.ts` makes one of this, or refuses. */
export const machineName = `${decisionMachine.id}@${decisionMachine.version ?? "0"}`;
