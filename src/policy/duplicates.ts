/**
 * How a bill's reference is compared: Unicode NFKC, upper case, letters and digits only. `INV-1042`, `inv 1042`
 * and `Inv. 1042` are the same bill.
 */
export function normaliseReference(reference: string): string {
  return partsOf(reference).join("");
}

/** The runs of letters and digits: where the separators stand tells `A1/12` from `A11/2`. */
function partsOf(reference: string): readonly string[] {
  return reference
    .normalize("NFKC")
    .toUpperCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((part) => part !== "");
}

/** A payment that was made or is under way, as the duplicate check sees it. */
export type EarlierPayment = {
  readonly payee: string;
  readonly reference: string;
  /** Everything in the whole message that could have been its reference. */
  readonly references: readonly string[];
  readonly amountUnits: string;
  readonly asset: string;
  /** Unix seconds, a block's clock. */
  readonly at: number;
  readonly words: string;
};

export type Bill = Omit<EarlierPayment, "words">;

/** Two bills of one payee over one amount within this time are asked about: monthly ones lie further apart. */
const sameAmountSeconds = 25 * 86_400;
/** Shorter references occur by chance. */
const tellingLength = 4;

const digits = (reference: string) => normaliseReference(reference).replace(/\P{N}/gu, "");

/**
 * One bill is never paid twice. `same`: payee and normalised reference are equal.
 *
 * `similar`: a person has to look. A model picks one of the references in a message and may pick another one in the
 * reminder, so the whole messages count: the earlier reference occurs in this message or the other way round, as a
 * whole or as a part (`AH-20391-R1`), or their digits agree. And where the references say nothing: the same amount
 * to the same payee within 25 days, or ever if one of the two has no reference.
 */
export function findEarlier(
  bill: Bill,
  earlier: readonly EarlierPayment[],
): { readonly kind: "same" | "similar"; readonly words: string } | null {
  const ofPayee = earlier.filter((payment) => payment.payee === bill.payee);
  const same = ofPayee.find((payment) => sameReference(payment.reference, bill.reference));
  if (same) return { kind: "same", words: `${bill.payee} ${bill.reference} was paid before: ${same.words}.` };
  const similar = ofPayee.find((payment) => sharesReference(payment, bill) || sharesAmount(payment, bill));
  return similar ? { kind: "similar", words: `This may have been paid before: ${similar.words}.` } : null;
}

/** Equal parts, or equal as a whole where one of the two is written without separators. */
function sameReference(one: string, other: string): boolean {
  const [a, b] = [partsOf(one), partsOf(other)];
  if (a.length === 0 || a.join("") !== b.join("")) return false;
  return a.length === 1 || b.length === 1 || a.join("-") === b.join("-");
}

function sharesReference(payment: Bill, bill: Bill): boolean {
  const speaksOf = (reference: string, message: readonly string[]) => {
    const own = normaliseReference(reference);
    return own.length >= tellingLength && message.some((other) => normaliseReference(other).includes(own));
  };
  if (speaksOf(payment.reference, [bill.reference, ...bill.references])) return true;
  if (speaksOf(bill.reference, [payment.reference, ...payment.references])) return true;
  const own = normaliseReference(payment.reference);
  if (own !== "" && own === normaliseReference(bill.reference)) return true;
  return digits(payment.reference).length >= 3 && digits(payment.reference) === digits(bill.reference);
}

function sharesAmount(payment: Bill, bill: Bill): boolean {
  if (payment.amountUnits !== bill.amountUnits || payment.asset !== bill.asset) return false;
  const unnamed = normaliseReference(payment.reference) === "" || normaliseReference(bill.reference) === "";
  return unnamed || Math.abs(bill.at - payment.at) < sameAmountSeconds;
}
