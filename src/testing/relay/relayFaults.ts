/**
 * Something that goes wrong at the relay.
 *
 * A delivery, relay to client: `drop` loses it once (what is not acknowledged is delivered again later), `delay` holds it for `ms`,
 * `duplicate` sends it twice, `reorder` sends it after the next one, `withhold` keeps it until the fault is lifted.
 *
 * A call, client to relay: `blackHole` neither carries it out nor answers it, `loseAnswer` carries it out and does not answer,
 * `refuse` answers with an error.
 *
 * A connection: `refuse` closes every new one with code 3000, as a relay does that does not know the project.
 */
export type RelayFault = (
  | { readonly on: "delivery"; readonly do: "drop" | "duplicate" | "reorder" | "withhold" }
  | { readonly on: "delivery"; readonly do: "delay"; readonly ms: number }
  | {
      readonly on: "call";
      readonly do: "blackHole" | "loseAnswer" | "refuse";
      readonly methods?: readonly string[];
    }
  | { readonly on: "connection"; readonly do: "refuse" }
) & {
  /** Only messages of these tags (1100 proposal, 1108 request, 1109 answer, …). */
  readonly tags?: readonly number[];
  /** Ends after so many hits; without end otherwise. */
  readonly times?: number;
};

export type InjectedFault = { readonly hits: number; lift(): void };

type Standing = { readonly fault: RelayFault; hits: number };
type Meeting<On> = Extract<RelayFault, { readonly on: On }>;

/** The faults that stand, in the order in which they were injected. */
export type FaultBook = {
  inject(fault: RelayFault, onLift: () => void): InjectedFault;
  /** The first fault that this meets, counted as a hit. */
  meet<On extends RelayFault["on"]>(
    on: On,
    what: { readonly tag?: number | undefined; readonly method?: string },
  ): Meeting<On> | undefined;
};

export function openFaultBook(): FaultBook {
  const book = new Set<Standing>();
  return {
    inject(fault, onLift) {
      const standing: Standing = { fault, hits: 0 };
      book.add(standing);
      return {
        get hits() {
          return standing.hits;
        },
        lift() {
          if (book.delete(standing)) onLift();
        },
      };
    },
    meet(on, { method, tag }) {
      for (const standing of book) {
        const { fault } = standing;
        if (fault.on !== on) continue;
        if (fault.tags !== undefined && (tag === undefined || !fault.tags.includes(tag))) continue;
        if (fault.on === "call" && fault.methods !== undefined && !fault.methods.includes(method ?? ""))
          continue;
        if (fault.times !== undefined && standing.hits >= fault.times) continue;
        standing.hits++;
        return fault as Meeting<typeof on>;
      }
      return undefined;
    },
  };
}
