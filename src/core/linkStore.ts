import type { Hex } from "viem";

import type { Json } from "./json.ts";
import type { RequestOutcome } from "./walletLink.ts";

/**
 * Where the link keeps what it must not lose: keys and sessions of WalletConnect. Each call is one atomic, durable change; values are
 * secrets, encrypted where they are stored. Values are texts of at most 4 MiB.
 */
export type LinkStore = {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string): Promise<void>;
  delete(key: string): Promise<void>;
  keys(): Promise<readonly string[]>;
  entries(): Promise<readonly (readonly [key: string, value: string])[]>;
};

/** A request to a wallet, written down before it is sent. */
export type LinkRequest = {
  readonly id: string;
  /** The id on the wire: milliseconds and three digits. */
  readonly wireId: number;
  readonly topic: string;
  readonly chainId: number;
  readonly method: string;
  /** Who is asked; null where the method names nobody. */
  readonly account: string | null;
  readonly digest: Hex;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** The relay has said that it took it. */
  readonly published: boolean;
  readonly outcome: RequestOutcome<Json> | null;
};

/** The journal of requests. Each call is durable when it resolves. */
export type LinkRequests = {
  /** False when the id is taken. */
  begin(request: LinkRequest): Promise<boolean>;
  published(id: string): Promise<void>;
  /** Records what came back, once: false when there is an outcome already or the request is not known. */
  settle(id: string, outcome: RequestOutcome<Json>): Promise<boolean>;
  all(): Promise<readonly LinkRequest[]>;
  forget(id: string): Promise<void>;
};
