import { differenceOf, foreseenHistory } from "../../differential/compareLaw.ts";
import { openLawChain, type LawChain } from "../../differential/lawChain.ts";
import type { Foreseen } from "../../differential/lawWorld.ts";
import type { Code } from "./compileMutants.ts";
import { switchOn } from "./weave.ts";

/** All histories run at one time, so that a chain can serve any number of mutants. */
const time = 1_700_000_000n;
/** Operations in one history: short ones come to the point, and start near the ends of counters as well (`pokes`). */
const operations = 12;
/**
 * A history takes less than half of it. Loops without an end take all, and count as found: with this much they take seconds and
 * 2 GB, as the EVM keeps each step of a call that fails; with 300 million they took more than 24 GB.
 */
const gas = 20_000_000n;

/** Asks mutants of the harness what the twin was asked, which has answered but once. */
export class LawCourt {
  readonly #seed: number;
  readonly #histories: (readonly Foreseen[] | undefined)[];
  /** What told the last mutants apart comes first. */
  readonly #order: number[];
  #place: string | undefined;

  constructor(seed: number, cases: number) {
    const histories = Math.ceil(cases / operations);
    this.#seed = seed;
    this.#histories = Array.from({ length: histories });
    this.#order = Array.from({ length: histories }, (_, index) => index);
  }

  /** A harness with switches. */
  async open(code: Code): Promise<(id: number | null) => Promise<string | undefined>> {
    const chain = await openLawChain({
      harness: `0x${code.LawHarness!}`,
      decisionLog: `0x${code.DecisionLog!}`,
    });
    await chain.setTime(time);
    const place = `${chain.harness} ${chain.decisionLog}`;
    this.#place ??= place;
    if (place !== this.#place) throw new Error("The harness is at another address than before.");
    const original = await chain.code();
    return async (id) => {
      await chain.setCode(id === null ? original : (switchOn(original, id) as `0x${string}`));
      return this.#difference(chain);
    };
  }

  /** The first difference between the harness and the twin. */
  async #difference(chain: LawChain): Promise<string | undefined> {
    for (const [index, number] of this.#order.entries()) {
      const history = (this.#histories[number] ??= foreseenHistory(this.#seed, number, chain, {
        time,
        operations,
      }));
      const difference = await differenceIn(history, chain);
      if (difference === undefined) continue;
      this.#order.splice(index, 1);
      this.#order.unshift(number);
      return `history ${number}: ${difference}`;
    }
    return undefined;
  }
}

async function differenceIn(history: readonly Foreseen[], chain: LawChain): Promise<string | undefined> {
  let told;
  try {
    told = await chain.run(
      history.map(({ step }) => step),
      gas,
    );
  } catch (error) {
    return `the harness fails: ${error instanceof Error ? error.message.slice(0, 100) : String(error)}`;
  }
  for (const [index, foreseen] of history.entries()) {
    const answer = told[index];
    if (!answer) return `no answer to step ${index}`;
    const difference = differenceOf(foreseen, answer);
    if (difference !== undefined) return `step ${index}: ${difference}`;
  }
  return undefined;
}
