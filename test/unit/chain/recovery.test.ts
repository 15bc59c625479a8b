import { describe, expect, it } from "vitest";

import { recover, type Recovery, type RecoveryFacts } from "../../../src/chain/recovery.ts";

/** A signed operation at sequence 7 of which the chain knows nothing yet. */
const open: RecoveryFacts = {
  journal: "signed",
  sequence: 7n,
  next: { latest: 7n, final: null },
  event: null,
  late: false,
  silent: false,
  released: false,
};
const used = { latest: 8n, final: null } as const;
const usedForGood = { latest: 8n, final: 8n } as const;
type Event = NonNullable<RecoveryFacts["event"]>;
const event = (of: Event["of"], parts: Partial<Event> = {}): Event => ({
  of,
  success: true,
  final: true,
  ...parts,
});

/** One line a case: the row that it belongs to, what is different from `open`, and what is done. */
const table: readonly (readonly [Recovery["row"], string, Partial<RecoveryFacts>, Recovery["act"]])[] = [
  ["unsigned", "N = seq, nothing signed", { journal: "unsigned" }, "sign"],
  ["foreign", "N > seq, nothing signed", { journal: "unsigned", next: used }, "freeze"],
  [
    "behind",
    "N < seq, nothing signed",
    { journal: "unsigned", next: { latest: 6n, final: null } },
    "resend-predecessor",
  ],
  ["open", "N = seq, no event, its time is not over", {}, "resend"],
  ["open", "its time is over, and the final block's own nonce was not read", { late: true }, "resend"],
  [
    "expired",
    "N = seq, no event, a final block past its time",
    { late: true, next: { latest: 7n, final: 7n } },
    "give-up",
  ],
  [
    "expired",
    "N < seq, a final block past its time",
    { late: true, next: { latest: 6n, final: 6n } },
    "give-up",
  ],
  [
    "mined",
    "our event, success, not final",
    { next: used, event: event("operation", { final: false }) },
    "wait",
  ],
  ["mined", "our event, success, final", { next: used, event: event("operation") }, "settle"],
  ["mined", "our event, late all the same", { next: used, late: true, event: event("operation") }, "settle"],
  [
    "reverted",
    "our event, no success, not final",
    { next: used, event: event("operation", { success: false, final: false }) },
    "wait",
  ],
  [
    "reverted",
    "our event, no success, final",
    { next: used, event: event("operation", { success: false }) },
    "settle",
  ],
  [
    "sibling",
    "a fee bump's event, not final",
    { next: used, event: event("sibling", { final: false }) },
    "wait",
  ],
  ["sibling", "a fee bump's event, final", { next: used, event: event("sibling") }, "settle"],
  [
    "sibling",
    "a fee bump's event, no success",
    { next: used, event: event("sibling", { success: false }) },
    "settle",
  ],
  ["foreign", "a stranger's event", { next: used, event: event("stranger") }, "freeze"],
  [
    "foreign",
    "a stranger's event, not final",
    { next: used, event: event("stranger", { final: false }) },
    "freeze",
  ],
  ["foreign", "a stranger's event, late", { next: used, late: true, event: event("stranger") }, "freeze"],
  [
    "foreign",
    "a stranger's event, released",
    { next: used, event: event("stranger"), released: true },
    "displace",
  ],
  [
    "foreign",
    "a stranger's event, released and not final",
    { next: used, event: event("stranger", { final: false }), released: true },
    "wait",
  ],
  ["behind", "N < seq", { next: { latest: 6n, final: null } }, "resend-predecessor"],
  ["gone", "seen in a block before, no event now", { journal: "included" }, "resend"],
  ["unseen", "N > seq, no event", { next: used }, "look-again"],
  ["unseen", "N > seq at a final block, no event", { next: usedForGood }, "look-again"],
  ["unseen", "N > seq, no event for long, not final", { next: used, silent: true }, "look-again"],
  ["unseen", "N > seq at a final block, no event for long", { next: usedForGood, silent: true }, "freeze"],
  ["unseen", "the same, late", { next: usedForGood, silent: true, late: true }, "freeze"],
  ["unseen", "the same, released", { next: usedForGood, silent: true, released: true }, "displace"],
];

describe("the recovery table", () => {
  it.each(table)("%s: %s", (row, _, facts, act) => {
    expect(recover({ ...open, ...facts })).toEqual({ row, act });
  });

  it("gives up, settles and lets the lane go only on what a final block says, and keeps to ours once it is there", () => {
    const wrong = [...everything()].filter((facts) => {
      const { event, late, next, released, sequence } = facts;
      const { act } = recover(facts);
      const ours = facts.journal !== "unsigned" && event !== null && event.of !== "stranger";
      const unused = next.final !== null && next.final <= sequence && next.latest <= sequence;
      if (ours) return act !== "settle" && act !== "wait";
      if (act === "give-up") return !(late && event === null && unused);
      if (act === "displace") return !(released && (event ? event.final : next.final! > sequence));
      return act === "settle";
    });
    expect(wrong).toEqual([]);
  });
});

/** All facts there are, as far as sequences differ. */
function* everything(): Generator<RecoveryFacts> {
  const flags = [false, true];
  const nexts = [6n, 7n, 8n];
  for (const journal of ["unsigned", "signed", "included"] as const)
    for (const latest of nexts)
      for (const final of [null, ...nexts])
        for (const late of flags)
          for (const silent of flags)
            for (const released of flags)
              for (const of of [null, "operation", "sibling", "stranger"] as const)
                for (const success of flags)
                  for (const last of flags)
                    yield {
                      journal,
                      sequence: 7n,
                      next: { latest, final },
                      late,
                      silent,
                      released,
                      event: of === null ? null : { of, success, final: last },
                    };
}
