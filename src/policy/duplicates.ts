/**
 * How a bill's reference is compared: Unicode NFKC, upper case, letters and digits only. `INV-1042`, `inv 1042`
 * and `Inv. 1042` are the same bill.
 */
export function normaliseReference(reference: string): string {
  return reference
    .normalize("NFKC")
    .toUpperCase()
    .replace(/[^\p{L}\p{N}]/gu, "");
}

/** A payment that was made or is under way, as the duplicate check sees it. */
export type EarlierPayment = {
  readonly payee: string;
  readonly reference: string;
  readonly amountUnits: string;
  readonly asset: string;
  readonly words: string;
};

const digits = (reference: string) => normaliseReference(reference).replace(/\P{N}/gu, "");

/**
 * One bill is never paid twice. `same`: payee and normalised reference are equal. `similar`: a person has to look,
 * because the digits of the references agree (three or more of them), or neither bill has a reference and the
 * amount is the same.
 */
export function findEarlier(
  bill: Omit<EarlierPayment, "words">,
  earlier: readonly EarlierPayment[],
): { readonly kind: "same" | "similar"; readonly words: string } | null {
  const ofPayee = earlier.filter((payment) => payment.payee === bill.payee);
  const reference = normaliseReference(bill.reference);
  const same =
    reference === ""
      ? undefined
      : ofPayee.find((payment) => normaliseReference(payment.reference) === reference);
  if (same) return { kind: "same", words: `${bill.payee} ${bill.reference} was paid before: ${same.words}.` };
  const similar = ofPayee.find((payment) => {
    const one = digits(payment.reference);
    if (one.length >= 3 && one === digits(bill.reference)) return true;
    const unnamed = normaliseReference(payment.reference) === "" || reference === "";
    return unnamed && payment.amountUnits === bill.amountUnits && payment.asset === bill.asset;
  });
  return similar ? { kind: "similar", words: `This may have been paid before: ${similar.words}.` } : null;
}
