import type { LinkStore } from "../core/linkStore.ts";
import { sentenceOf } from "../core/errors.ts";
import { LinkStartError } from "./errors.ts";
import type { FromLink, OpenLink, ToLink } from "./linkMessages.ts";
import { spawnLink, type LinkProcess } from "./spawnLink.ts";

/** Pauses before the process is started again after the first, second, … end in a row, in milliseconds. */
const backOffMs = [100, 500, 1000, 2000, 5000, 10_000] as const;
/** A process that stood for so long has not failed in a row with the one before, in milliseconds. */
const soundMs = 10_000;
/** How long loading the SDK and reading the storage may take, in milliseconds. */
const startMs = 20_000;
/** How long a process that was told to stop may take, in milliseconds. */
const stopMs = 800;

type Call = Extract<ToLink, { readonly call: number }>;
type Asked = Exclude<Call, { type: "stored" }>;
type Without<T> = T extends unknown ? Omit<T, "call"> : never;
export type Reply = Extract<FromLink, { type: "proposed" | "done" | "failed" }>;
/** `died`: the process ended amid the call, `late`: it did not answer in time. It may have done it, or do it yet. */
export type CallOutcome = Reply | { readonly type: "died" } | { readonly type: "late" };

export type SuperviseOptions = {
  /** The program of the process. */
  readonly workerPath: string;
  /** What a process is told at its start, each time. */
  readonly open: () => OpenLink;
  readonly store: LinkStore;
  /** Everything but the answers to calls and what belongs to the storage. */
  readonly onMessage: (message: FromLink) => void;
  readonly onEnd: (how: string, restartMs: number, refused: boolean) => void;
};

export type LinkSupervisor = {
  /** Resolves when the first process is ready. @throws LinkStartError */
  readonly started: Promise<void>;
  readonly pid: number | null;
  /** Lost when there is no process just now: the next one is told all that counts at its start. */
  send(message: ToLink): void;
  /** Waits for a process when there is none just now. Settles within `milliseconds`. */
  call(message: Without<Asked>, milliseconds: number): Promise<CallOutcome>;
  /** While held, this process's event loop stays alive for the link. */
  hold(held: boolean): void;
  /** Ends the process that there is; another one is started. */
  replace(): void;
  close(): Promise<void>;
};

/** Keeps one process of the link running, whatever ends it, and serves its storage. */
export function superviseLink(options: SuperviseOptions): LinkSupervisor {
  const { onEnd, onMessage, open, store, workerPath } = options;
  const { promise: started, resolve: markStarted, reject: failStart } = Promise.withResolvers<void>();
  started.catch(() => undefined);
  let current: LinkProcess | null = null;
  let ready = false;
  let closing = false;
  let held = false;
  let failures = 0;
  let calls = 0;
  let restart: NodeJS.Timeout | undefined;
  const pending = new Map<number, (outcome: CallOutcome) => void>();
  const onReady = new Set<() => void>();

  function begin(): void {
    let last: { readonly why: string; readonly refused: boolean } | undefined;
    let readyAt = Infinity;
    const child: LinkProcess = spawnLink(workerPath, (message) => {
      if (child !== current) return;
      switch (message.type) {
        case "booted":
          return child.send(open());
        case "store":
          return void serve(child, message, (why) => (last = { why, refused: false }));
        case "fatal":
          last = message;
          return;
        case "proposed":
        case "done":
        case "failed":
          pending.get(message.call)?.(message);
          return void pending.delete(message.call);
        case "ready":
          ready = true;
          readyAt = performance.now();
          clearTimeout(late);
          onMessage(message);
          markStarted();
          for (const go of onReady) go();
          return onReady.clear();
        default:
          onMessage(message);
      }
    });
    current = child;
    child.hold(held);
    const late = setTimeout(() => void child.kill(), startMs);
    late.unref();
    void child.gone.then((how) => {
      clearTimeout(late);
      if (child !== current) return;
      current = null;
      ready = false;
      for (const [call, settle] of pending) {
        pending.delete(call);
        settle({ type: "died" });
      }
      if (closing) return;
      failures = performance.now() - readyAt > soundMs ? 1 : failures + 1;
      const said = last?.why ?? how;
      if (failures === backOffMs.length) failStart(new LinkStartError(said));
      const pause = backOffMs[Math.min(failures, backOffMs.length) - 1]!;
      restart = setTimeout(begin, pause);
      if (!held) restart.unref();
      onEnd(said, pause, last?.refused ?? false);
    });
  }

  async function serve(
    child: LinkProcess,
    ask: Extract<FromLink, { type: "store" }>,
    onFault: (why: string) => void,
  ): Promise<void> {
    const answer = (value: string | null, pairs: [string, string][] = []): void =>
      child.send({ type: "stored", call: ask.call, value, pairs });
    try {
      switch (ask.do) {
        case "get":
          return answer((await store.get(ask.key)) ?? null);
        case "set":
          await store.set(ask.key, ask.value);
          return answer(null);
        case "delete":
          await store.delete(ask.key);
          return answer(null);
        case "keys":
          return answer(
            null,
            (await store.keys()).map((key) => [key, ""]),
          );
        case "entries":
          return answer(
            null,
            (await store.entries()).map(([key, value]) => [key, value]),
          );
      }
    } catch (error) {
      // Going on without what could not be kept would lose it at the next restart: stop, and try again.
      onFault(`the storage failed: ${sentenceOf(error)}`);
      await child.kill();
    }
  }

  begin();
  return {
    started,
    get pid() {
      return current?.pid ?? null;
    },
    send(message) {
      if (ready) current?.send(message);
    },
    call(message, milliseconds) {
      const call = calls++;
      return new Promise<CallOutcome>((resolve) => {
        const go = (): void => {
          pending.set(call, settle);
          current?.send({ ...message, call });
        };
        const settle = (outcome: CallOutcome): void => {
          clearTimeout(timer);
          onReady.delete(go);
          pending.delete(call);
          resolve(outcome);
        };
        const timer = setTimeout(() => settle({ type: "late" }), milliseconds);
        if (closing) return settle({ type: "died" });
        if (ready) go();
        else onReady.add(go);
      });
    },
    hold(next) {
      held = next;
      current?.hold(held);
      if (held) restart?.ref();
      else restart?.unref();
    },
    replace: () => void current?.kill(),
    async close() {
      if (closing) return;
      closing = true;
      clearTimeout(restart);
      failStart(new LinkStartError("it was closed"));
      const child = current;
      if (child === null) return;
      child.hold(true);
      child.send({ type: "stop" });
      const timer = setTimeout(() => void child.kill(), stopMs);
      await child.gone;
      clearTimeout(timer);
    },
  };
}
