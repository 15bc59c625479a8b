import { getAddress } from "viem";

import type { ConnectRequest, WalletAccount, WalletSession } from "../core/walletLink.ts";
import type { RawSession } from "./linkMessages.ts";

/** CAIP-10 of an EVM account. A chain id is below 2^53: it goes into typed data as a number. */
const evmAccount = /^eip155:([1-9]\d{0,15}):(0x[0-9a-fA-F]{40})$/;

/** A session as the wallet approved it; undefined when it holds no EVM account at all. Names of other chains are left out. */
export function readSession(raw: RawSession): WalletSession | undefined {
  const spaces = Object.entries(raw.namespaces)
    .filter(([name]) => name === "eip155" || name.startsWith("eip155:"))
    .map(([, space]) => space);
  const accounts = new Map<string, WalletAccount>();
  for (const text of spaces.flatMap((space) => space.accounts)) {
    const [, chain, address] = evmAccount.exec(text) ?? [];
    if (chain === undefined || address === undefined || !Number.isSafeInteger(Number(chain))) continue;
    const account = { chainId: Number(chain), address: getAddress(address.toLowerCase()) };
    accounts.set(`${account.chainId}:${account.address}`, account);
  }
  if (accounts.size === 0) return undefined;
  const all = (pick: (space: RawSession["namespaces"][string]) => readonly string[]) => [
    ...new Set(spaces.flatMap(pick)),
  ];
  return Object.freeze({
    topic: raw.topic,
    accounts: [...accounts.values()],
    methods: all(({ methods }) => methods),
    events: all(({ events }) => events),
    expiresAt: raw.expiry,
    claims: { name: raw.name, url: raw.url },
    properties: raw.properties,
  });
}

/** Why a session is of no use for what was asked; undefined when it is. */
export function misfit(session: WalletSession | undefined, asked: ConnectRequest): string | undefined {
  if (session === undefined) return "the wallet approved no EVM account";
  if (!session.accounts.some(({ chainId }) => asked.chains.includes(chainId)))
    return `the wallet approved no account on chain ${asked.chains.join(" or ")}`;
  if (!session.methods.some((method) => asked.methods.includes(method)))
    return `the wallet approved none of ${asked.methods.join(", ")}`;
  return undefined;
}

export const hasAccount = (session: WalletSession, { address, chainId }: WalletAccount): boolean =>
  session.accounts.some(
    (one) => one.chainId === chainId && one.address.toLowerCase() === address.toLowerCase(),
  );

/** Whether accounts, methods, expiry or properties differ. */
export const isOther = (one: WalletSession, other: WalletSession): boolean =>
  JSON.stringify(one) !== JSON.stringify(other);
