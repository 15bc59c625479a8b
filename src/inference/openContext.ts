import type { LlamaContext, LlamaContextSequence, LlamaModel } from "node-llama-cpp";
import type { EngineSettings } from "../core/inference.ts";
import { batchOrder, type Company } from "./batchOrder.ts";
import { WorkerFailure } from "./workerFailure.ts";

/** Where one run takes place. */
export type Seat = {
  readonly sequence: LlamaContextSequence;
  /** Forgets what the sequence holds from this token on; 0: everything. */
  readonly forget: (from: number) => Promise<void>;
  /** Asked between two tokens: a promise to wait for when another run has to begin or end, else null. */
  readonly pause: () => Promise<void> | null;
};

export type OpenedContext = {
  readonly context: LlamaContext;
  /** Runs in a seat that nobody else has. There are as many as sequences; the supervisor sends no more requests than that. */
  use<T>(work: (seat: Seat) => Promise<T>): Promise<T>;
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
  const free = Array.from({ length: settings.sequences }, (): Seat => {
    const sequence = context.getSequence({
      contextShift: {
        strategy() {
          throw new WorkerFailure("request", "the run outgrew its context");
        },
      },
    });
    const forget = async (start: number): Promise<void> => {
      const end = sequence.nextTokenIndex;
      if (end > start) await stop.hold(() => sequence.eraseContextTokenRanges([{ start, end }]));
    };
    return { sequence, forget, pause: stop.pass };
  });
  return {
    context,
    async use(work) {
      const seat = free.shift();
      if (seat === undefined)
        throw new WorkerFailure("request", "more runs at once than there are sequences");
      runs++;
      try {
        return await work(seat);
      } finally {
        runs--;
        free.push(seat);
      }
    },
  };
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
