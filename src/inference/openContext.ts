import type { LlamaContext, LlamaContextSequence, LlamaModel } from "node-llama-cpp";
import type { EngineSettings, FingerprintRow } from "../core/inference.ts";
import { batchOrder, type Company } from "./batchOrder.ts";
import type { HeldPrefix } from "./fingerprint.ts";
import { forgetFrom, heldBy, recall, type Memory } from "./sharedPrefix.ts";
import { WorkerFailure } from "./workerFailure.ts";

/** Where one run takes place. */
export type Seat = {
  readonly sequence: LlamaContextSequence;
  /** Forgets what the sequence holds from this token on; 0: everything. */
  readonly forget: (from: number) => Promise<void>;
  /** Keeps what some sequence has read of this prompt's beginning, and forgets everything else. Before `remember`, once a run. */
  readonly recall: (promptTokens: readonly number[]) => Promise<HeldPrefix>;
  /** The prompt has been read, and this was thought of it. */
  readonly remember: (rows: readonly FingerprintRow[]) => void;
  /** Asked between two tokens: a promise to wait for when another run has to begin or end, else null. */
  readonly pause: () => Promise<void> | null;
};

export type OpenedContext = {
  readonly context: LlamaContext;
  /**
   * Runs in a seat that nobody else has, if there is a choice in one that knows the beginning of this prompt. There are as many as
   * sequences; the supervisor sends no more requests than that.
   */
  use<T>(work: (seat: Seat) => Promise<T>, promptTokens?: readonly number[]): Promise<T>;
};

/** A context of exactly these settings, whose sequences refuse to forget: a shifted run could not be run again. */
export async function openContext(
  model: LlamaModel,
  settings: EngineSettings,
  company: Company,
): Promise<OpenedContext> {
  let runs = 0;
  const context = await model.createContext({
    contextSize: settings.contextSize,
    batchSize: settings.batchSize,
    threads: settings.threads,
    sequences: settings.sequences,
    flashAttention: settings.flashAttention,
    batching: { itemPrioritizationStrategy: batchOrder(company, () => runs) },
  });
  // The binding holds a context as long as two of its sequences keep handing in tokens, and lets nobody empty a third meanwhile:
  // the others have to stop for a moment.
  const stop = turnstile();
  const memories = Array.from({ length: settings.sequences }, (): Memory => ({
    sequence: context.getSequence({ contextShift: { strategy: refuseToShift } }),
    rows: [],
    reading: null,
  }));
  const free = [...memories];
  return {
    context,
    async use(work, promptTokens = []) {
      const known = free.map((memory) => heldBy(memory, promptTokens));
      const [memory] = free.splice(Math.max(0, known.indexOf(Math.max(...known))), 1);
      if (memory === undefined)
        throw new WorkerFailure("request", "more runs at once than there are sequences");
      const { promise: done, resolve: read } = Promise.withResolvers<void>();
      runs++;
      try {
        return await work({
          sequence: memory.sequence,
          pause: stop.pass,
          async forget(start) {
            if (start === 0) memory.rows = [];
            await forgetFrom(memory.sequence, start, stop.hold);
          },
          async recall(tokens) {
            const earlier = memories.flatMap(({ reading }) => reading ?? []);
            memory.reading = { tokens, done };
            const held = await recall(memory, memories, earlier, tokens, stop.hold);
            memory.rows = held.rows;
            return held;
          },
          remember(rows) {
            memory.rows = rows;
            memory.reading = null;
            read();
          },
        });
      } finally {
        // Whether it was read to its end or not: nobody need wait for it any more.
        memory.reading = null;
        read();
        runs--;
        free.push(memory);
      }
    },
  };
}

function refuseToShift(): never {
  throw new WorkerFailure("request", "the run outgrew its context");
}

/** Lets everybody pass, except while somebody holds it. */
function turnstile() {
  let holders = 0;
  let open = Promise.withResolvers<void>();
  return {
    pass: (): Promise<void> | null => (holders === 0 ? null : open.promise),
    async hold<T>(work: () => Promise<T>): Promise<T> {
      if (holders++ === 0) open = Promise.withResolvers<void>();
      try {
        return await work();
      } finally {
        if (--holders === 0) open.resolve();
      }
    },
  };
}
