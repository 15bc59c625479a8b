import type { Eip1193 } from "../../src/chain/connectChain.ts";

/** Answers in an RPC's place. `honest` asks the real one. */
export type Lie = (input: {
  readonly method: string;
  readonly params: readonly unknown[];
  honest(): Promise<unknown>;
}) => unknown;

/** An RPC that tells the truth until it is given a lie. */
export type LyingRpc = Eip1193 & { lie: Lie | undefined };

export function lyingRpc(honest: Eip1193): LyingRpc {
  const rpc: LyingRpc = {
    lie: undefined,
    async request({ method, params }) {
      const ask = () => honest.request({ method, ...(params === undefined ? {} : { params }) });
      if (!rpc.lie) return ask();
      return rpc.lie({ method, params: (params ?? []) as readonly unknown[], honest: ask });
    },
  };
  return rpc;
}
