import type { Address, Hex } from "viem";

export type ProposalMode = "accept" | "reject" | "hold";
export type AnswerMode =
  | "right"
  | "reject"
  | "hold"
  | "lowV"
  | "highS"
  | "wrongSigner"
  | "wrongType"
  | "notHex"
  | "tooLong"
  | "wildRefusal"
  /** In words that end, where they are cut, in the middle of a character. */
  | "halfRefusal"
  | PermissionMode;

/** Answers to ERC-7715 that differ from what was asked, each in one thing. */
export const permissionModes = [
  "otherTo",
  "otherFrom",
  "otherChain",
  "otherToken",
  "otherManager",
  "moreAmount",
  "laterExpiry",
  "shorterPeriod",
  "earlierStart",
  "anotherRule",
  "anotherField",
  "twoPermissions",
  "dependencies",
  "unsigned",
  "signedByStranger",
  "forAnybody",
  "forStranger",
  "outOfStranger",
  "handedOn",
  "moreSigned",
  "laterSigned",
  "unlimitedSigned",
  "anotherCaveat",
  "twoSigned",
  "blindEnforcer",
  "blindClock",
  "garbage",
] as const;
export type PermissionMode = (typeof permissionModes)[number];

export type WalletOptions = {
  readonly relayUrl: string;
  readonly key: Hex;
  readonly chains: readonly number[];
  /** Folder that it keeps its sessions in; in memory only without. */
  readonly database?: string;
  /** RPC of the chain that it sends transactions to; without one it answers with a hash that nobody mined. */
  readonly rpc?: string;
  /** The contract that is its account; the key signs for it, and runs its calls (test/contracts/base/Wallet.sol). */
  readonly contractAccount?: {
    readonly address: Address;
    /** Not deployed yet: what deploys it comes with each signature (ERC-6492). */
    readonly deployedBy?: { readonly factory: Address; readonly data: Hex };
  };
  /** What its settlement of a session holds instead of what belongs there. */
  readonly spoilt?: Readonly<Record<string, unknown>>;
  /** The name by which it offers permissions (ERC-7715); none without. */
  readonly permissions?: "wallet_requestExecutionPermissions" | "wallet_grantPermissions";
  /** Approves its own chains whatever was asked for. */
  readonly stubborn?: boolean;
};

export type WalletCommand =
  | { readonly do: "pair"; readonly uri: string }
  | { readonly do: "mode"; readonly onProposal?: ProposalMode; readonly onRequest?: AnswerMode }
  /** Answers what was held, and everything from now on, like this. */
  | { readonly do: "release"; readonly as: AnswerMode }
  | { readonly do: "switchAccount"; readonly key: Hex }
  | { readonly do: "announce" }
  | { readonly do: "disconnect" }
  | { readonly do: "sessions" };

export type WalletWord =
  | { readonly word: "ready" }
  | { readonly word: "proposal"; readonly id: number; readonly url: string }
  | { readonly word: "approved"; readonly topic: string }
  | {
      readonly word: "request";
      readonly id: number;
      readonly method: string;
      readonly params: readonly unknown[];
      readonly chainId: string;
    }
  | { readonly word: "answered"; readonly id: number }
  | { readonly word: "ended"; readonly topic: string }
  | { readonly word: "failed" | "unhandled"; readonly why: string }
  | { readonly word: "fetch"; readonly url: string }
  | { readonly word: "done"; readonly call: number; readonly value: unknown }
  | { readonly word: "undone"; readonly call: number; readonly why: string };
