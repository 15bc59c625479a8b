import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { BundlerError, ChainRefusalError } from "../../src/chain/errors.ts";
import type { UserOpJson } from "../../src/core/operation.ts";

/**
 * A bundler that drops, duplicates, delays, reorders and lies, each now and then. What it answers is never more than a hint, so
 * nothing of it may cost or pay anything twice.
 */
export function faultyBundler(
  name: string,
  own: Bundler,
  chance: () => number,
  onSend: (userOp: UserOpJson) => void,
): Bundler {
  /** Kept back until the next one was sent. */
  let held: UserOpJson | undefined;
  const quietly = (userOp: UserOpJson) => own.send(userOp).catch(() => undefined);
  const lie = new BundlerError(name, "does not feel like it", new Error("chaos"));
  return {
    name,
    gasPrice: () => (chance() < 0.03 ? Promise.reject(lie) : own.gasPrice()),
    estimateGas: (draft) => (chance() < 0.03 ? Promise.reject(lie) : own.estimateGas(draft)),
    async send(userOp) {
      onSend(userOp);
      const fault = chance();
      const before = held;
      held = undefined;
      // Dropped, and said to be taken.
      if (fault < 0.12) return "0x";
      if (fault < 0.22) {
        await quietly(userOp);
        await quietly(userOp);
        return "0x";
      }
      if (fault < 0.34) {
        setTimeout(() => void quietly(userOp), 50 + chance() * 1500).unref();
        return "0x";
      }
      if (fault < 0.42) {
        held = userOp;
        return "0x";
      }
      // Taken, and said to be refused: as no bundler of the standard, and as the chain would.
      if (fault < 0.5) {
        await quietly(userOp);
        throw lie;
      }
      if (fault < 0.56) {
        await quietly(userOp);
        throw new ChainRefusalError({ code: "AA25", error: "AA25", words: "invalid account nonce" });
      }
      // Dropped, and called too cheap.
      if (fault < 0.64) throw new BundlerError(name, "did not take it", new Error("replacement underpriced"));
      // Refused for no reason at all.
      if (fault < 0.66) throw new ChainRefusalError({ code: "AA23", error: "Chaos()", words: "chaos" });
      const hash = await own.send(userOp);
      if (before) await quietly(before);
      return hash;
    },
  };
}
