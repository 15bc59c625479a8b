import { groups } from "./groups.ts";
import { contractSizes, openSite, type ContractSize } from "./site.ts";
import { targets } from "./targets.ts";

/** One figure beside what it should be. `txGas` is gas of a whole transaction; names end in what is taken off of it. */
export type Row = {
  readonly name: string;
  readonly txGas: number;
  readonly aim: number | null;
  readonly must: number | null;
  readonly ratioToSimpleAccount: number;
};

export type Figures = {
  readonly rows: readonly Row[];
  readonly contracts: readonly ContractSize[];
  /** Figures that nothing can be measured for yet. */
  readonly notMeasured: readonly string[];
};

/** A group measured something else than it says: nothing would notice, were the figure only left out. */
export class UnknownFigureError extends Error {
  override readonly name = "UnknownFigureError";
  constructor(names: readonly string[]) {
    super(
      `The bench has figures that it does not know or does not have: ${names.join(", ")}. Make the names in bench/gas/targets.ts, of the group, and of what it measures the same.`,
    );
  }
}

/** Measures every group on a chain of its own. */
export async function measureAll(onGroup: (names: readonly string[]) => void): Promise<Figures> {
  const site = await openSite();
  try {
    const gas = new Map<string, number>();
    for (const group of groups) {
      onGroup(group.names);
      const measured = await group.measure(site);
      for (const [name, value] of Object.entries(measured)) gas.set(name, value);
    }
    return Object.freeze({
      rows: rowsOf(gas),
      contracts: await contractSizes(site),
      notMeasured: namesNotMeasured(),
    });
  } finally {
    await site.close();
  }
}

/** Names of the figures that no group measures. */
export function namesNotMeasured(): readonly string[] {
  const measured = new Set(groups.flatMap(({ names }) => names));
  return targets.map(({ name }) => name).filter((name) => !measured.has(name));
}

/** Names of the figures that are measured, in the order of the table. */
export function namesMeasured(): readonly string[] {
  const missing = new Set(namesNotMeasured());
  return targets.map(({ name }) => name).filter((name) => !missing.has(name));
}

function rowsOf(gas: ReadonlyMap<string, number>): readonly Row[] {
  const names = namesMeasured();
  const wrong = [
    ...[...gas.keys()].filter((name) => !names.includes(name)),
    ...names.filter((name) => !gas.has(name)),
  ];
  if (wrong.length > 0) throw new UnknownFigureError(wrong);
  return targets
    .filter(({ name }) => gas.has(name))
    .map(({ aim, comparedWith, must, name }) => ({
      name,
      txGas: gas.get(name)!,
      aim,
      must,
      // Four digits: a ratio is read, not counted with.
      ratioToSimpleAccount: Math.round((gas.get(name)! / gas.get(comparedWith)!) * 10_000) / 10_000,
    }));
}
