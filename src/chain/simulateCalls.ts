import {
  decodeEventLog,
  erc20Abi,
  numberToHex,
  parseAbi,
  zeroAddress,
  type Abi,
  type Address,
  type Hex,
} from "viem";

import { BaseError } from "../core/errors.ts";
import type { Call } from "../core/operation.ts";
import type { Effects } from "../policy/assetDiff.ts";
import { ask, type Chain } from "./connectChain.ts";
import { decodeRefusal, revertDataOf } from "./decodeRefusal.ts";
import { entryPointAddress } from "./entryPoint.ts";
import { RpcUnreachableError } from "./errors.ts";
import { encodeCalls } from "./signOperation.ts";

/** The RPC can't say what calls would do. */
export class SimulationUnsupportedError extends BaseError {
  override readonly name = "SimulationUnsupportedError";
  constructor(cause: unknown) {
    super("The RPC can't simulate: it offers neither eth_simulateV1 nor debug_traceCall with callTracer.", {
      remedy: "Point --rpc at a node that offers one of them; most nodes and providers offer eth_simulateV1.",
      facts: { detail: cause instanceof Error ? cause.message.split("\n")[0] : String(cause) },
      cause,
    });
  }
}

type Log = { readonly address: Address; readonly topics: readonly Hex[]; readonly data: Hex };
type Move = { readonly from: Address; readonly to: Address; readonly valueWei: bigint };
type Run = {
  readonly logs: readonly Log[];
  readonly moves: readonly Move[];
  readonly failed: boolean;
  readonly output: Hex;
};

/** Gas that nothing reasonable runs out of. */
const gas = numberToHex(15_000_000n);

/**
 * Runs calls of the account on the newest state, as the EntryPoint would have it execute them, and says what they did.
 * Changes nothing. What a token says about itself is believed: a token that lies moves no money of others.
 *
 * @throws SimulationUnsupportedError · RpcUnreachableError
 */
export async function simulateCalls(
  chain: Chain,
  account: Address,
  calls: readonly Call[],
): Promise<Effects> {
  const call = { from: entryPointAddress, to: account, data: encodeCalls(calls), gas };
  const run = (await bySimulate(chain, call)) ?? (await byTrace(chain, call));
  return {
    ...effectsOf(run, account),
    ...(run.failed
      ? { failure: `${decodeRefusal(run.output).words} (${decodeRefusal(run.output).error})` }
      : {}),
  };
}

type Request = { readonly from: Address; readonly to: Address; readonly data: Hex; readonly gas: Hex };

/** Where eth_simulateV1 reports coin that moves (`traceTransfers`). */
const coinAddress = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

async function bySimulate(chain: Chain, call: Request): Promise<Run | undefined> {
  type Result = {
    readonly status: Hex;
    readonly logs?: readonly Log[];
    readonly returnData: Hex;
    readonly error?: { readonly data?: Hex };
  };
  try {
    const blocks = await ask<readonly { readonly calls: readonly Result[] }[]>(chain, () =>
      chain.client.request({
        method: "eth_simulateV1" as never,
        params: [
          { blockStateCalls: [{ calls: [call] }], traceTransfers: true, validation: false },
          "latest",
        ] as never,
      }),
    );
    const result = blocks[0]!.calls[0]!;
    const logs = result.logs ?? [];
    return {
      logs: logs.filter(({ address }) => address.toLowerCase() !== coinAddress),
      moves: logs
        .filter(({ address }) => address.toLowerCase() === coinAddress)
        .flatMap((log) => transfersIn(log).map(({ from, to, units }) => ({ from, to, valueWei: units }))),
      failed: BigInt(result.status) === 0n,
      output: result.error?.data ?? result.returnData,
    };
  } catch (error) {
    if (error instanceof RpcUnreachableError) throw error;
    return undefined;
  }
}

type Frame = {
  readonly type: string;
  readonly from: Address;
  readonly to?: Address;
  readonly value?: Hex;
  readonly error?: string;
  readonly output?: Hex;
  readonly logs?: readonly Log[];
  readonly calls?: readonly Frame[];
};

async function byTrace(chain: Chain, call: Request): Promise<Run> {
  let frame: Frame;
  try {
    frame = await ask<Frame>(chain, () =>
      chain.client.request({
        method: "debug_traceCall" as never,
        params: [call, "latest", { tracer: "callTracer", tracerConfig: { withLog: true } }] as never,
      }),
    );
  } catch (error) {
    if (error instanceof RpcUnreachableError) throw error;
    const data = revertDataOf(error);
    if (data) return { logs: [], moves: [], failed: true, output: data };
    throw new SimulationUnsupportedError(error);
  }
  const logs: Log[] = [];
  const moves: Move[] = [];
  const walk = (at: Frame): void => {
    // What a failed frame did is undone, all of it.
    if (at.error) return;
    logs.push(...(at.logs ?? []));
    const valueWei = BigInt(at.value ?? 0);
    if (
      valueWei > 0n &&
      at.to &&
      (at.type === "CALL" || at.type.startsWith("CREATE") || at.type === "SELFDESTRUCT")
    )
      moves.push({ from: at.from, to: at.to, valueWei });
    at.calls?.forEach(walk);
  };
  walk(frame);
  return { logs, moves, failed: frame.error !== undefined, output: frame.output ?? "0x" };
}

const operatorAbi = parseAbi([
  "event ApprovalForAll(address indexed owner, address indexed operator, bool approved)",
]);
const nftAbi = parseAbi([
  "event Transfer(address indexed from, address indexed to, uint256 indexed id)",
  "event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value)",
  "event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values)",
]);

function effectsOf({ logs, moves }: Run, account: Address): Effects {
  const same = (one: string) => one.toLowerCase() === account.toLowerCase();
  const transfers = [
    ...logs.flatMap((log) => transfersIn(log).map((one) => ({ ...one, asset: log.address }))),
    ...moves.map(({ from, to, valueWei }) => ({ asset: zeroAddress, from, to, units: valueWei })),
  ].filter(({ from, to }) => same(from) || same(to));
  const approvals = logs.flatMap((log) => {
    const args = decoded(erc20Abi, "Approval", log) as
      { owner: Address; spender: Address; value: bigint } | undefined;
    return args && same(args.owner) ? [{ asset: log.address, spender: args.spender, units: args.value }] : [];
  });
  const others = logs.flatMap((log) => {
    const named = decoded(operatorAbi, "ApprovalForAll", log) as
      { owner: Address; operator: Address; approved: boolean } | undefined;
    if (named?.approved && same(named.owner))
      return [`${named.operator} may move everything that the account has in ${log.address}.`];
    for (const eventName of ["Transfer", "TransferSingle", "TransferBatch"]) {
      const moved = decoded(nftAbi, eventName, log) as { from: Address; to: Address } | undefined;
      if (moved && same(moved.from)) return [`An NFT of ${log.address} leaves the account to ${moved.to}.`];
    }
    return [];
  });
  return { transfers, approvals, others };
}

function transfersIn(
  log: Log,
): readonly { readonly from: Address; readonly to: Address; readonly units: bigint }[] {
  const args = decoded(erc20Abi, "Transfer", log) as
    { from: Address; to: Address; value: bigint } | undefined;
  return args ? [{ from: args.from, to: args.to, units: args.value }] : [];
}

/** An event's arguments, or undefined when the log is another one: strict about indexed topics, so NFTs are no tokens. */
function decoded(abi: Abi, eventName: string, log: Log): unknown {
  try {
    const topics = log.topics as [Hex, ...Hex[]];
    const found = decodeEventLog({ abi, data: log.data, topics, strict: true });
    return found.eventName === eventName ? found.args : undefined;
  } catch {
    return undefined;
  }
}
