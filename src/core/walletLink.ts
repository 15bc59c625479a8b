import type { Address, Hex } from "viem";

import type { Json, JsonObject } from "./json.ts";

// A line to the wallet of a person, over a relay that nobody trusts. What comes back is what some wallet said: whoever uses it
// verifies it against the chain. A session is not authority, and its end takes none away: only the chain does that.

/** ERC-7715 by its name of today, and by the one before. */
export const permissionMethods = ["wallet_requestExecutionPermissions", "wallet_grantPermissions"] as const;
export type PermissionMethod = (typeof permissionMethods)[number];

/** What the wallet shows of the asker. Nothing proves it: wallets call it unverified. */
export type LinkMetadata = {
  readonly name: string;
  readonly description: string;
  readonly url: string;
  readonly icons: readonly string[];
};

export type WalletAccount = { readonly chainId: number; readonly address: Address };

/** What a wallet approved, read and checked; the wallet's words about itself are claims. */
export type WalletSession = {
  /** 32 bytes of hexadecimal without 0x; the session's name. */
  readonly topic: string;
  readonly accounts: readonly WalletAccount[];
  readonly methods: readonly string[];
  readonly events: readonly string[];
  /** Unix seconds. */
  readonly expiresAt: number;
  readonly claims: { readonly name: string; readonly url: string };
  /** Capabilities that the wallet told with its approval (EIP-5792, ERC-7715), as it told them. */
  readonly properties: Readonly<Record<string, string>>;
};

export type ConnectRequest = {
  /** Chain ids; an approval that has no account on any of them is unfit. */
  readonly chains: readonly number[];
  readonly methods: readonly string[];
  readonly events?: readonly string[];
  /** How long somebody may take to scan and approve, in milliseconds; WalletConnect itself ends it after 300,000. */
  readonly deadlineMs?: number;
};

/** `expired`: nobody approved in time, or the approval got lost; a new proposal is safe, for no authority hangs on a session. */
export type ConnectOutcome =
  | { readonly outcome: "approved"; readonly session: WalletSession }
  | { readonly outcome: "rejected"; readonly code: number; readonly message: string }
  /** Approved, and not for what was asked: it was disconnected again. */
  | { readonly outcome: "unfit"; readonly why: string }
  | { readonly outcome: "expired" }
  | { readonly outcome: "lost"; readonly why: string };

export type Proposal = {
  /** What the QR code shows. Whoever sees it may answer first: confirm the account outside of this channel. */
  readonly uri: string;
  readonly settled: Promise<ConnectOutcome>;
  /** Nobody waits any more; a wallet that approves later finds nobody. */
  cancel(): void;
};

/**
 * What became of a request.
 *
 * `expired` and `lost` mean **unknown**: the wallet may have the request and may still answer it, so what it asked for must not be
 * asked for again under another id. The same id and the same content may be asked for again: a recorded answer is given, a request
 * under way is waited for, and nothing is shown twice. An answer that comes later is told to `watch`.
 */
export type RequestOutcome<Answer = Hex> =
  | { readonly outcome: "approved"; readonly answer: Answer }
  | { readonly outcome: "rejected"; readonly code: number; readonly message: string }
  /** The wallet answered with something that is no answer to this. None of it is handed on. */
  | { readonly outcome: "hostile"; readonly why: string }
  | { readonly outcome: "expired" }
  | { readonly outcome: "lost"; readonly why: string };

export type RequestOptions = {
  /** Names the request for ever: after a crash, ask again under the same id. 1 to 128 characters. */
  readonly id: string;
  /** How long the wallet may show it, in seconds: 300 to 604,800 by WalletConnect's own rule; 300 when not given. */
  readonly expirySeconds?: number;
  /** How long to wait here, in milliseconds; until the expiry when not given. */
  readonly deadlineMs?: number;
};

/** EIP-712, as wallets take it: numbers above 2^53 as decimal text, `chainId` as a number. */
export type TypedData = {
  readonly domain: {
    readonly name?: string;
    readonly version?: string;
    readonly chainId: number;
    readonly verifyingContract?: Address;
    readonly salt?: Hex;
  };
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;
  readonly primaryType: string;
  readonly message: Readonly<Record<string, Json>>;
};

export type WalletCall = { readonly to: Address; readonly value?: bigint; readonly data?: Hex };

/** Any other method that the session has, such as `wallet_requestExecutionPermissions`. */
export type RawRequest = { readonly chainId: number; readonly method: string; readonly params: Json };

/** A request that the journal knows. Its content is not kept, only the digest of it. */
export type KnownRequest = {
  readonly id: string;
  readonly topic: string;
  readonly method: string;
  /** sha256 of chain, method and params in canonical JSON. */
  readonly digest: Hex;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** The relay has said that it took it. */
  readonly published: boolean;
  /** undefined: nothing has come back. */
  readonly outcome?: RequestOutcome<Json>;
};

export type LinkEvent =
  /** `down`: not connected for a while. `refused`: the relay does not let us in (project id, token). */
  | { readonly kind: "relay"; readonly state: "up" | "down" }
  | { readonly kind: "relay"; readonly state: "refused"; readonly why: string }
  /** The process of the link ended; it is started again after `restartMs`. Nothing is lost by it. */
  | { readonly kind: "crashed"; readonly how: string; readonly restartMs: number }
  /** Something in that process reached for something other than the relay, and was stopped. */
  | { readonly kind: "breach"; readonly what: string }
  /** A session that nobody waited for: its proposal was made before a restart. */
  | { readonly kind: "session"; readonly session: WalletSession }
  /** Accounts, methods or expiry are others now: bind anew, or pause. */
  | { readonly kind: "changed"; readonly session: WalletSession; readonly before: WalletSession }
  | { readonly kind: "ended"; readonly topic: string; readonly why: "wallet" | "expired" | "unfit" | "here" }
  /** What the wallet announces (`accountsChanged`, `chainChanged`): a claim, and no change of the session. */
  | { readonly kind: "announced"; readonly topic: string; readonly name: string; readonly data: Json }
  /** An answer that nobody waits for any more. Told once; it stays under its id until `forget`. */
  | {
      readonly kind: "answer";
      readonly id: string;
      readonly topic: string;
      readonly outcome: RequestOutcome<Json>;
    };

/** The line to wallets. Every promise settles within its deadline. Errors that are thrown are mistakes of the caller's. */
export type WalletLink = {
  /**
   * Waits, for `mostMs` milliseconds at most, until what the relay kept for us while nobody was connected is heard: partings, changes, answers.
   *
   * @returns whether it is; at once where there is no session, as nobody has anything to say then
   */
  caughtUp(mostMs: number): Promise<boolean>;
  /** Makes a proposal and its URI. */
  connect(request: ConnectRequest): Promise<Proposal>;
  /** What stands: sessions, and requests with what came back. For the start, after a crash. */
  resume(): Promise<{
    readonly sessions: readonly WalletSession[];
    readonly requests: readonly KnownRequest[];
  }>;
  /** `eth_signTypedData_v4`. The answer is of hexadecimal and sane length; whose signature it is has to be verified. */
  requestTypedData(
    topic: string,
    account: Address,
    typedData: TypedData,
    options: RequestOptions,
  ): Promise<RequestOutcome>;
  /** `personal_sign` of a text, such as a sign-in. As above. */
  requestText(
    topic: string,
    account: WalletAccount,
    text: string,
    options: RequestOptions,
  ): Promise<RequestOutcome>;
  /** `eth_sendTransaction`; the answer is a transaction hash, and says nothing about the transaction. */
  send(
    topic: string,
    from: WalletAccount,
    call: WalletCall,
    options: RequestOptions,
  ): Promise<RequestOutcome>;
  /** ERC-7715. The answer is JSON of bounded size: hold every field of it against what was asked. */
  requestPermissions(
    topic: string,
    from: WalletAccount,
    asked: { readonly method: PermissionMethod; readonly request: JsonObject },
    options: RequestOptions,
  ): Promise<RequestOutcome<Json>>;
  request(topic: string, request: RawRequest, options: RequestOptions): Promise<RequestOutcome<Json>>;
  /** Forgets a request that is dealt with. An answer to it that comes later is dropped. */
  forget(id: string): Promise<void>;
  /** Ends a session: here at once, at the wallet as soon as the relay takes it. */
  disconnect(topic: string): Promise<void>;
  /** @returns a function that ends it */
  watch(listener: (event: LinkEvent) => void): () => void;
  close(): Promise<void>;
};
