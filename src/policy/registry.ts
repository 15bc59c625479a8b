import { getAddress, isAddress, zeroAddress, type Address } from "viem";

import { formatUnitsExact, parseUnitsExact } from "../core/amount.ts";
import { mistake } from "./mistakes.ts";
import type { PolicyDocument } from "./schema.ts";

export type Named = { readonly name: string; readonly address: Address };
/** One payee of the registry: what a model's word stands for. */
export type Payee = Named & {
  readonly senders: readonly string[];
  /** What else messages call it. */
  readonly names: readonly string[];
  /** A plain key of the agent. */
  readonly purse: boolean;
  readonly contract: boolean;
};
export type Token = { readonly symbol: string; readonly address: Address; readonly decimals: number };

/** The native coin of an EVM chain in policies: symbol ETH, 18 decimals, asset 0x0. */
export const nativeToken: Token = { symbol: "ETH", address: zeroAddress, decimals: 18 };

/** Every word of a document that stands for an address. */
export type Registry = {
  readonly tokens: readonly Token[];
  /** Tokens that a limit counts. */
  readonly limited: readonly Token[];
  readonly payees: readonly Payee[];
  readonly contracts: readonly Named[];
  readonly approvers: readonly Named[];
  readonly guardians: readonly Named[];
};

const namedOf = (entries: Readonly<Record<string, { readonly address: Address }>> = {}): readonly Named[] =>
  Object.entries(entries).map(([name, { address }]) => ({ name, address }));

const tokensOf = ({ tokens }: PolicyDocument): readonly Token[] =>
  Object.entries(tokens).map(([symbol, entry]) => ({ symbol, ...entry }));

export const registryOf = (document: PolicyDocument): Registry => ({
  tokens: tokensOf(document),
  limited: tokensOf(document).filter(({ symbol }) =>
    document.limits.some(({ lifetime }) => lifetime.split(" ")[1] === symbol),
  ),
  payees: Object.entries(document.payees).map(([name, entry]) => ({
    name,
    address: entry.address,
    senders: entry.senders ?? [],
    names: entry.names ?? [],
    purse: entry.purse ?? false,
    contract: entry.contract ?? false,
  })),
  contracts: namedOf(document.contracts),
  approvers: namedOf(document.approvers),
  guardians: namedOf(document.guardians),
});

/** The address that a word of a condition stands for: a token, a payee, a contract, or an address written out. */
export function addressNamed(word: string, registry: Registry): Address {
  if (/^0x/i.test(word)) {
    if (isAddress(word)) return getAddress(word);
    throw mistake(
      `"${word}" is not an address.`,
      "Write 0x and 40 hex digits, with a right checksum if it has capitals.",
    );
  }
  const found =
    registry.tokens.find((token) => token.symbol === word) ??
    [...registry.payees, ...registry.contracts].find((known) => known.name === word);
  if (found) return found.address;
  throw mistake(
    `"${word}" is not a name of the policy.`,
    "Write an address, or a name under tokens, payees or contracts.",
  );
}

/** The token whose symbol stands behind a number, as in `"42.50 USDC"`. */
export function tokenOf(text: string, tokens: readonly Token[]): Token {
  const [, symbol, more] = text.split(" ");
  if (symbol === undefined || more !== undefined)
    throw mistake(`"${text}" is not an amount with its token.`, 'Write both, for example "42.50 USDC".');
  const token =
    tokens.find((known) => known.symbol === symbol) ??
    (symbol === nativeToken.symbol ? nativeToken : undefined);
  if (token) return token;
  throw mistake(
    `"${text}" names the token ${symbol}, which is not in the policy's tokens.`,
    `Add ${symbol} under tokens, or correct the symbol.`,
  );
}

/** Base units of an amount that has to be in this token. */
export function unitsOf(text: string, token: Token): bigint {
  const [number, symbol] = text.split(" ") as [string, string];
  if (symbol !== token.symbol)
    throw mistake(`"${text}" is not in ${token.symbol}.`, `Write the amount in ${token.symbol}.`);
  return parseUnitsExact(number, token.decimals);
}

/** Base units as people read them: `42.50 USDC`. */
export const showUnits = (units: bigint, token: Token): string =>
  `${formatUnitsExact(units, token.decimals, token === nativeToken ? 0 : 2)} ${token.symbol}`;
