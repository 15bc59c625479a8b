/** Everything by which it is told where a decision's operation stands. */
export type RecoveryFacts = {
  /** `signed`: and perhaps sent, which nobody can tell after a crash. `included`: it was seen in a block before. */
  readonly journal: "unsigned" | "signed" | "included";
  /** Sequence of the operation in its nonce lane: what is signed, or what would be. */
  readonly sequence: bigint;
  /** The lane's next sequence by the EntryPoint, at the newest block and at the newest final one. null: not asked. */
  readonly next: { readonly latest: bigint; readonly final: bigint | null };
  /** What the EntryPoint executed at our sequence, if it logged it: our operation, a journaled fee bump of it, or neither. */
  readonly event: {
    readonly of: "operation" | "sibling" | "stranger";
    readonly success: boolean;
    readonly final: boolean;
  } | null;
  /** A final block's time is past the end of everything that was signed for the decision. */
  readonly late: boolean;
  /** The sequence has been used without a log for longer than any node's index lags behind its state. */
  readonly silent: boolean;
  /** The operator has looked at who used the sequence, and released the lane. */
  readonly released: boolean;
};

/** What the facts come to (rows of research/durability-scale.md §3.4), and what follows from it. */
export type Recovery =
  | { readonly row: "unsigned"; readonly act: "sign" }
  /** Not on the chain, and still may be: the same bytes again. */
  | { readonly row: "open"; readonly act: "resend" }
  /** It can never be included any more: only now may the payment be decided again. */
  | { readonly row: "expired"; readonly act: "give-up" }
  | { readonly row: "mined"; readonly act: "wait" | "settle" }
  /** The nonce is spent and nothing was paid. */
  | { readonly row: "reverted"; readonly act: "wait" | "settle" }
  /** A fee bump of it is on the chain, whether that paid or reverted. */
  | { readonly row: "sibling"; readonly act: "wait" | "settle" }
  /** Somebody else used the nonce. `displace`: the operator knows, and our operation can never be included. */
  | { readonly row: "foreign"; readonly act: "freeze" | "wait" | "displace" }
  /** An operation before it in the lane left the chain, or the node is behind. */
  | { readonly row: "behind"; readonly act: "resend-predecessor" }
  /** The block that held it is gone. */
  | { readonly row: "gone"; readonly act: "resend" }
  /** The nonce is used and no log says by what. */
  | { readonly row: "unseen"; readonly act: "look-again" | "freeze" | "displace" };

/**
 * The recovery table. Pure: the same facts, the same answer. A bundler's word is no fact; AA25 ("invalid nonce") only makes us look.
 *
 * The facts have to be read in this order: final block, log, nonces. What has no log by then, at a final block that is late and whose
 * own state has the nonce unused, can never be included.
 */
export function recover(facts: RecoveryFacts): Recovery {
  const { event, journal, late, next, released, sequence, silent } = facts;
  if (journal === "unsigned") {
    if (next.latest === sequence) return { row: "unsigned", act: "sign" };
    return next.latest > sequence
      ? { row: "foreign", act: "freeze" }
      : { row: "behind", act: "resend-predecessor" };
  }
  if (event) {
    const act = event.final ? "settle" : "wait";
    if (event.of === "sibling") return { row: "sibling", act };
    if (event.of === "operation") return { row: event.success ? "mined" : "reverted", act };
    if (!released) return { row: "foreign", act: "freeze" };
    return { row: "foreign", act: event.final ? "displace" : "wait" };
  }
  if (next.latest > sequence || (next.final ?? 0n) > sequence) {
    // Two reads are two moments, and a log may be late: nothing follows from a missing log alone.
    const spent = next.final !== null && next.final > sequence && silent;
    if (!spent) return { row: "unseen", act: "look-again" };
    return { row: "unseen", act: released ? "displace" : "freeze" };
  }
  if (late && next.final !== null) return { row: "expired", act: "give-up" };
  if (next.latest < sequence) return { row: "behind", act: "resend-predecessor" };
  return journal === "included" ? { row: "gone", act: "resend" } : { row: "open", act: "resend" };
}
