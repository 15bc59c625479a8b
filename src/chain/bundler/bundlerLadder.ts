import type { Bundler } from "./bundler.ts";
import { BundlerError, ChainRefusalError } from "../errors.ts";

/** Attempts that one bundler has before the next one is asked first: at one in three seconds, two blocks of a slow chain. */
const attemptsEach = 8;

/**
 * Several bundlers as one: the first that answers is the one. What a bundler refuses is asked of the next one too, for a refusal is
 * a hint; what all of them refuse is refused with the first one's words.
 *
 * The same bytes go to the next bundler when one refuses them, does not answer, or has not had them included after some attempts. That
 * follows from the attempt's number alone. Two bundlers may then hold an operation; the chain executes it once.
 */
export function bundlerLadder(bundlers: readonly [Bundler, ...Bundler[]]): Bundler {
  if (bundlers.length === 1) return bundlers[0];
  return {
    name: bundlers.map(({ name }) => name).join(", then "),
    gasPrice: () => firstOf(bundlers, (bundler) => bundler.gasPrice()),
    estimateGas: (userOp) => firstOf(bundlers, (bundler) => bundler.estimateGas(userOp)),
    send(userOp, attempt = 0) {
      const first = Math.floor(attempt / attemptsEach) % bundlers.length;
      const order = [...bundlers.slice(first), ...bundlers.slice(0, first)];
      return firstOf(order, (bundler) => bundler.send(userOp, attempt));
    },
  };
}

/** @throws the chain's refusal as the first bundler tells it that tells one; else the first bundler's error */
async function firstOf<T>(bundlers: readonly Bundler[], ask: (bundler: Bundler) => Promise<T>): Promise<T> {
  const errors: Error[] = [];
  for (const bundler of bundlers)
    try {
      return await ask(bundler);
    } catch (error) {
      // Anything else is our own node's trouble, or ours.
      if (!(error instanceof BundlerError || error instanceof ChainRefusalError)) throw error;
      errors.push(error);
    }
  throw errors.find((error) => error instanceof ChainRefusalError) ?? errors[0]!;
}
