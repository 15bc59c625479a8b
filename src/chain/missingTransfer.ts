import {
  decodeEventLog,
  decodeFunctionData,
  encodeEventTopics,
  erc20Abi,
  getAddress,
  type Address,
  type Hex,
} from "viem";

import type { Operation } from "../core/operation.ts";
import { entryPointAbi } from "./abi/entryPoint.ts";
import { ask, type Chain } from "./connectChain.ts";
import { decodeCalls } from "./decodeCalls.ts";
import { entryPointAddress } from "./entryPoint.ts";

type Transfer = { readonly token: Address; readonly to: Address; readonly units: bigint };
type Log = {
  readonly address: Address;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly logIndex: number;
};

/**
 * A token may say yes and move nothing: it returns false, or it lies. So a payment counts as made when the token's own
 * `Transfer` of the account to the payee stands among the operation's logs. A token that takes a fee off counts as paid.
 *
 * @param logIndex of the operation's UserOperationEvent
 * @returns what is wrong, in words; undefined when every payment of the operation is there
 */
export async function missingTransfer(
  chain: Chain,
  { userOp }: Operation,
  transaction: Hex,
  logIndex: number,
): Promise<string | undefined> {
  const asked = (decodeCalls(userOp.callData) ?? []).flatMap(({ data, to }) => transferIn(to, data));
  if (asked.length === 0) return undefined;
  const { logs } = await ask(chain, () => chain.client.getTransactionReceipt({ hash: transaction }));
  const moved = logsOfOperation(logs as readonly Log[], logIndex).flatMap((log) =>
    transferOf(log, userOp.sender),
  );
  for (const { to, token, units } of asked) {
    if (units === 0n) continue;
    const found = moved.findIndex((one) => same(one.token, token) && same(one.to, to) && one.units > 0n);
    if (found < 0) return `the token ${getAddress(token)} reported success and moved nothing to ${to}`;
    // Each event stands for one payment.
    moved.splice(found, 1);
  }
  return undefined;
}

const same = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** A `transfer` call. Only a policy's own token is ever called like that: the chain lets no rule do it. */
function transferIn(token: Address, data: Hex): readonly Transfer[] {
  try {
    const { args, functionName } = decodeFunctionData({ abi: erc20Abi, data });
    return functionName === "transfer" ? [{ token, to: args[0], units: args[1] }] : [];
  } catch {
    return [];
  }
}

function transferOf(log: Log, from: Address): readonly Transfer[] {
  try {
    const { args, eventName } = decodeEventLog({
      abi: erc20Abi,
      data: log.data,
      topics: log.topics as [Hex, ...Hex[]],
    });
    if (eventName !== "Transfer" || !same(args.from, from)) return [];
    return [{ token: log.address, to: args.to, units: args.value }];
  } catch {
    return [];
  }
}

const borders: ReadonlySet<Hex | undefined> = new Set(
  (["BeforeExecution", "UserOperationEvent"] as const).map(
    (eventName) => encodeEventTopics({ abi: entryPointAbi, eventName })[0],
  ),
);

/** The EntryPoint executes one operation after the other and closes each with its event. */
function logsOfOperation(logs: readonly Log[], logIndex: number): readonly Log[] {
  const before = logs.filter((log) => log.logIndex < logIndex);
  const border = before.findLastIndex(
    (log) => same(log.address, entryPointAddress) && borders.has(log.topics[0]),
  );
  return before.slice(border + 1);
}
