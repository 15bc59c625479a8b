/** One reason of a Verdict: a stable code for machines, a sentence for people. */
export type Reason = {
  readonly code: string;
  readonly words: string;
  /** Who enforces it. `advisory`: only this runtime; a stolen key is not stopped by it. */
  readonly enforcedBy: "chain" | "advisory";
};

/** allow: may be sent (or there is nothing to send); deny: the policy refuses; ask: a person has to decide. */
export type Verdict =
  | { readonly kind: "allow"; readonly reasons: readonly Reason[] }
  | { readonly kind: "deny"; readonly reasons: readonly [Reason, ...Reason[]] }
  | { readonly kind: "ask"; readonly reasons: readonly [Reason, ...Reason[]] };
