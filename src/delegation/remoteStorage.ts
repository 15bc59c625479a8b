import type { FromLink, ToLink } from "./linkMessages.ts";

type Stored = Extract<ToLink, { type: "stored" }>;
type Ask = Extract<FromLink, { type: "store" }>;

/** The five methods that the SDK keeps its things by; each resolves when the parent has it on the disk. */
export type RemoteStorage = {
  getKeys(): Promise<string[]>;
  getEntries<T>(): Promise<[string, T][]>;
  getItem<T>(key: string): Promise<T | undefined>;
  setItem<T>(key: string, value: T): Promise<void>;
  removeItem(key: string): Promise<void>;
  /** Nothing is on its way to the parent. */
  isIdle(): boolean;
  /** Hands in an answer of the parent's. */
  stored(message: Stored): void;
};

/** The SDK remembers each message of a session by its hash, to drop duplicates, and keeps the whole message with it for nothing. */
const isMessages = (key: string): boolean => key.endsWith("//messages");
const withoutContent = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, inner: unknown) => (typeof inner === "string" ? "" : inner));

/** A storage that lives in the parent. */
export function remoteStorage(send: (message: FromLink) => void): RemoteStorage {
  const waiting = new Map<number, (message: Stored) => void>();
  let next = 0;
  const ask = (kind: Ask["do"], key = "", value = ""): Promise<Stored> =>
    new Promise((resolve) => {
      const call = next++;
      waiting.set(call, resolve);
      send({ type: "store", call, do: kind, key, value });
    });
  return {
    async getKeys() {
      return (await ask("keys")).pairs.map(([key]) => key);
    },
    async getEntries<T>() {
      return (await ask("entries")).pairs.map(([key, value]): [string, T] => [key, JSON.parse(value) as T]);
    },
    async getItem<T>(key: string) {
      const { value } = await ask("get", key);
      return value === null ? undefined : (JSON.parse(value) as T);
    },
    async setItem(key, value) {
      if (value === undefined) await ask("delete", key);
      else await ask("set", key, JSON.stringify(isMessages(key) ? withoutContent(value) : value));
    },
    async removeItem(key) {
      await ask("delete", key);
    },
    isIdle: () => waiting.size === 0,
    stored(message) {
      waiting.get(message.call)?.(message);
      waiting.delete(message.call);
    },
  };
}
