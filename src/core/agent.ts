import type { Address, Hex } from "viem";
import type * as z from "zod";

import type { Prompt } from "./inference.ts";
import type { Json } from "./json.ts";
import type { Observation, Provenance } from "./observation.ts";
import type { Call } from "./operation.ts";

/** Where an agent's Triggers come from. Data, so that a declaration stays a declaration. */
export type TriggerSource =
  | {
      readonly kind: "mailFolder";
      /** Folder of RFC 822 files (`*.eml`), relative to the agent's file. */
      readonly folder: string;
      /** Operator's mail settings (trusted servers, pinned DKIM keys), relative to the agent's file. */
      readonly settings: string;
      /** Longest excerpt of a mail that the model reads, in characters. */
      readonly excerptCharacters: number;
    }
  | {
      readonly kind: "mailbox";
      /** An IMAP server. */
      readonly host: string;
      /** 993, or 143 without `tls`. */
      readonly port?: number;
      /** `tls` from the first byte when not given; `none` only for a server on this machine. */
      readonly security?: "tls" | "starttls" | "none";
      readonly user: string;
      /** File with the password, relative to the agent's file. */
      readonly passwordFile: string;
      /** `INBOX` when not given. */
      readonly folder?: string;
      /** As for a mail folder. */
      readonly settings: string;
      readonly excerptCharacters: number;
    }
  | {
      readonly kind: "interval";
      /** Whole seconds, counted from the Unix epoch on: 3600 is every full hour. */
      readonly everySeconds: number;
    }
  | {
      readonly kind: "cron";
      /** Five or six fields, e.g. `"0 9 * * 1-5"`. */
      readonly expression: string;
      /** IANA name; UTC when not given. */
      readonly timezone?: string;
    }
  | {
      readonly kind: "chainEvent";
      /** Names it: the same name goes on where it stopped, another one begins at the newest block. */
      readonly name: string;
      readonly contract: Address;
      /** The event as Solidity writes it, `"event Transfer(address indexed from, address indexed to, uint256 value)"`. */
      readonly event: string;
      /** Values of indexed arguments, by their names. */
      readonly where?: Readonly<Record<string, string | bigint | boolean>>;
    }
  | {
      readonly kind: "webhook";
      /** The last part of the path, `/hooks/<agent>/<name>`. */
      readonly name: string;
      /** File with the shared secret (`whsec_…`, Standard Webhooks), relative to the agent's file. */
      readonly secretFile: string;
    }
  /** What people do with their wallets: a delegation to the agent comes into force, is paused, or is over. */
  | { readonly kind: "delegation" };

/** What an action's code may look at: the policy's words and the frozen Observation. Nothing that changes. */
export type Desk = {
  readonly account: Address;
  readonly observation: Observation;
  /** The names of the policy's payees. */
  readonly payees: readonly string[];
  /** Address of a token, payee or contract that the policy names. @throws DeskError */
  address(name: string): Address;
  /** Decimal text in whole tokens to base units, `"42.50"` of USDC to 42500000n. @throws DeskError, AmountError */
  units(token: string, amount: string): bigint;
  /** The call that pays a payee: an ERC-20 `transfer`, or native coin. @throws DeskError, AmountError */
  pay(token: string, payee: string, amount: string): Call;
};

/** Something that the model may propose. The model fills in `input`; this code makes calls of it; the policy says whether they happen. */
export type ActionDeclaration = {
  /** What it does, one sentence for the model and for people. */
  readonly words: string;
  /** What the model writes beside the action's name. Bounded everywhere, because a grammar is made of it. */
  readonly input: z.ZodObject;
  /**
   * The calls it comes to, 1 to 16, executed all or none, with the symbol of the token whose limit counts them. Pure: verification
   * does it again. Whatever it throws makes the decision a hold, with the error's message for the model to try once more.
   * Without it the action is only recorded.
   */
  readonly calls?: (input: never, desk: Desk) => { readonly spends: string; readonly calls: readonly Call[] };
  /** What must not happen twice, e.g. a bill's number: a second action of the same name and key is refused. With `calls` only. Pure. */
  readonly once?: (input: never, desk: Desk) => string;
  /**
   * What the agent remembers when the action is taken: facts `memory.<name>` of its later Observations; null forgets. At most 64
   * names of at most 1,024 characters of JSON each. Pure.
   */
  readonly remember?: (input: never, desk: Desk) => Readonly<Record<string, Json>>;
};

/** Something that the model may look up before it decides. It changes nothing. */
export type ToolDeclaration = {
  readonly words: string;
  readonly input: z.ZodObject;
  /** Whom the model hears when it reads the answer; `untrusted` is fenced and stays marked. */
  readonly provenance: Exclude<Provenance, "history">;
  /** JSON of at most `mostToolCharacters` characters. An error is told to the model and recorded, it ends nothing. */
  readonly run: (input: never, reach: Reach) => Promise<Json>;
};

/** What a tool may reach. */
export type Reach = {
  readonly desk: Desk;
  /** `eth_call` at the Observation's own block, through the operator's RPC. */
  call(call: { readonly to: Address; readonly data: Hex }): Promise<Hex>;
  /** Aborts at the tool's deadline, and when the runtime stops. */
  readonly signal: AbortSignal;
};

/** Longest answer of a tool, in characters of JSON. */
export const mostToolCharacters = 8192;

/** An agent is a declaration: what wakes it, what its model reads and may propose. It holds no client, no key, no state. */
export type Agent = {
  /** Lower case letters, digits and dashes; names the agent in the journal. */
  readonly name: string;
  /** One sentence for people. */
  readonly purpose: string;
  readonly triggers: readonly TriggerSource[];
  /** Observation → Prompt. Pure: the model sees nothing that is not in the Observation. */
  readonly prompt: (observation: Observation) => Prompt;
  /** What it may propose, by name. Without any: to pay a payee (`transfer`) or to hold, as the bundled clerk was taught. */
  readonly actions?: Readonly<Record<string, ActionDeclaration>>;
  /** Why it may decline to act; it always may. */
  readonly holds?: readonly string[];
  /** What it may look up, by name. */
  readonly tools?: Readonly<Record<string, ToolDeclaration>>;
  /** Most look-ups before the final answer. */
  readonly toolRounds?: number;
  /** Most further attempts after an answer that its schema, or its code, does not take. */
  readonly repairs?: number;
};
