import type { Address, Hex } from "viem";

import type { PrivateKeyAccount } from "viem/accounts";

import type { Chain } from "../../chain/connectChain.ts";
import type { Delegation, Rung } from "../../core/delegation.ts";
import type { RandomSecret } from "../../core/ports.ts";
import type { WalletLink, WalletSession } from "../../core/walletLink.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import type { Turns } from "../turns.ts";
import type { CompiledLimit, CompiledPolicy } from "../../policy/compile.ts";
import type { PermissionPlace } from "./permissionBy.ts";

/** What is sent to the chain for a payer. */
export type Brought = "grant" | "permit" | "spender" | "account";

/** What happens on the way, for whoever watches. */
export type HandOverEvent =
  | { readonly kind: "uri"; readonly uri: string }
  | { readonly kind: "connected"; readonly session: WalletSession; readonly account: Address }
  | { readonly kind: "rung"; readonly rung: Rung; readonly why: string }
  /** The wallet shows something now. */
  | {
      readonly kind: "asked";
      readonly what: "sign-in" | "grant" | "permit" | "allowance" | "permission" | "policy" | "funds";
      readonly hash?: Hex;
      /** Of the policy's limits which one, of funds how much. */
      readonly words?: string;
    }
  /** The account of the payer's own that is signed for. */
  | {
      readonly kind: "account";
      readonly account: Address;
      readonly owner: Address;
      readonly salt: Hex;
      readonly made: boolean;
    }
  /** What is about to be signed for it, and the hash of each signature. */
  | {
      readonly kind: "terms";
      readonly sentences: readonly string[];
      readonly hashes: readonly { readonly asset: string; readonly hash: Hex }[];
    }
  | { readonly kind: "funded"; readonly words: string }
  /** What the wallet is about to show, in sentences, and the hash that it signs; of a permission, the wallet makes that later. */
  | { readonly kind: "explained"; readonly sentences: readonly string[]; readonly hash?: Hex }
  | { readonly kind: "sent"; readonly what: Brought; readonly transaction: Hex }
  /** Nobody here pays for it: anybody may send it. */
  | {
      readonly kind: "bring";
      readonly what: Brought;
      readonly call: { readonly to: Address; readonly data: Hex };
    }
  | { readonly kind: "inForce"; readonly delegation: Delegation };

export type HandOverOptions = {
  readonly chain: Chain;
  readonly journal: JournalDatabase;
  readonly link: WalletLink;
  /** Pays for what is brought to the chain; without one, somebody else has to send it. */
  readonly purse: PrivateKeyAccount | null;
  /** One transaction of a purse is made at a time. */
  readonly purseTurns: Turns;
  readonly agent: { readonly name: string; readonly account: Address; readonly key: Address };
  readonly policy: CompiledPolicy;
  readonly limit: CompiledLimit;
  /** The SpendGrant contract, if the policy pays under grants. */
  readonly contract?: Address | undefined;
  /** Where wallets' own permissions are spent under, if the policy does that, and a manager is trusted. */
  readonly permissions?: PermissionPlace | undefined;
  /** A signed grant was asked for, whatever the wallet offers. */
  readonly onlyGrants?: boolean;
  readonly terms: {
    readonly total?: bigint | undefined;
    readonly perCall?: bigint | undefined;
    readonly perWindow?: bigint | undefined;
    readonly days: number;
    readonly purpose: string;
  };
  /** URL of the asker, as the wallet was told it: what the sign-in is for. */
  readonly site: string;
  /** The payer, if he is known: a wallet of any other is sent away. */
  readonly expected?: Address | undefined;
  readonly randomSecret: RandomSecret;
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  readonly tell: (event: HandOverEvent) => void;
  /** Asks whoever sits here, outside of the channel that the QR code opened. */
  readonly confirm: (question: "account" | "grant", words: string) => Promise<boolean>;
  readonly signal: AbortSignal;
};

/** What it takes to meet a wallet and to know whose it is. */
export type MeetingOptions = Pick<
  HandOverOptions,
  "chain" | "link" | "signal" | "tell" | "confirm" | "expected" | "agent" | "randomSecret" | "site"
>;
