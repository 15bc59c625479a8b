/**
 * How a bill's reference is compared: Unicode NFKC, upper case, letters and digits only. `INV-1042`, `inv 1042`
 * and `Inv. 1042` are the same bill.
 */
export function normaliseReference(reference: string): string {
  return partsOf(reference).join("");
}

/** The runs of letters and digits: where the separators stand tells `A1/12` from `A11/2`. */
function partsOf(reference: string): readonly string[] {
  return (
    reference
      .normalize("NFKC")
      .toUpperCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** A payment that was made or is under way, as the duplicate check sees it. */
export type EarlierPayment = {
  readonly payee: string;
  /** Lower case; null: it was not kept. One payee may have had several names. */
  readonly address: string | null;
  readonly reference: string;
  /** Everything in the whole message that could have been its reference. */
  readonly references: readonly string[];
  readonly amountUnits: string;
  readonly asset: string;
  /** Unix seconds, a block's clock. */
  readonly at: number;
  readonly words: string;
};

export type Bill = Omit<EarlierPayment, "address" | "words"> & { readonly address: string };

/** Two bills of one payee over one amount within this time are asked about: monthly ones lie further apart. */
const sameAmountSeconds = 25 * 86_400;
/** Shorter references are parts of others by chance: they count as a whole, or where another one begins with them. */
const tellingLength = 4;
/** A number with letters in it. One of digits alone may be a phone, a customer or an order of every month. */
const telling = /(?=.*\p{L})(?:\P{N}*\p{N}){3}/u;
/** A person reads so many; the newest come first. */
const mostListed = 5;

type Written = { readonly parts: readonly string[]; readonly whole: string };

/** A reference as it is compared, of a bill that is compared with a whole history: worked out once. */
type Spelled = Written & {
  readonly digits: string;
  /** All that the message could have meant, itself included. */
  message(): readonly Written[];
};

function write(reference: string): Written {
  const parts = partsOf(reference);
  return { parts, whole: parts.join("") };
}

function spell({ reference, references }: Pick<Bill, "reference" | "references">): Spelled {
  const written = write(reference);
  let message: readonly Written[] | undefined;
  return {
    ...written,
    digits: written.whole.replace(/\P{N}/gu, ""),
    message: () => (message ??= [written, ...references.map(write)]),
  };
}

/**
 * One bill is never paid twice. `same`: payee, by its name or its address, and normalised reference are equal.
 *
 * `similar`: a person has to look. A model picks one of the references in a message and may pick another one in the
 * reminder, so the whole messages count: the earlier reference occurs in this message or the other way round, as a
 * whole or as a part (`AH-20391-R1`), or their digits agree; or both messages speak of a third number, which no other
 * message did. And where the references say nothing: the same amount
 * to the same payee within 25 days, or ever if one of the two has no reference. Whom a payment went to whose address was
 * not kept, and whose name is not this payee's, nobody knows: then it is never more than `similar`.
 */
export function findEarlier(
  bill: Bill,
  earlier: readonly EarlierPayment[],
): { readonly kind: "same" | "similar"; readonly words: string } | null {
  const asked = spell(bill);
  const ofPayee = earlier
    .filter(({ address, payee }) => payee === bill.payee || address === null || address === bill.address)
    .map((payment) => ({ payment, paid: spell(payment) }));
  const same = ofPayee.find(
    ({ paid, payment: { address, payee } }) =>
      (payee === bill.payee || address !== null) && isSame(paid, asked),
  );
  if (same)
    return { kind: "same", words: `${bill.payee} ${bill.reference} was paid before: ${same.payment.words}.` };
  const thirds = thirdNumbers(
    asked,
    ofPayee.map(({ paid }) => paid),
  );
  const similar = ofPayee
    .filter(
      ({ paid, payment }) =>
        sharesReference(paid, asked) ||
        paid.message().some(({ whole }) => thirds.has(whole)) ||
        sharesAmount(payment, paid, bill, asked),
    )
    .map(({ payment }) => payment);
  return similar.length > 0
    ? { kind: "similar", words: `This may have been paid before: ${listed(similar)}.` }
    : null;
}

/** Each one more makes another sentence of it, and so another question: a yes is to what was paid by then. */
function listed(payments: readonly EarlierPayment[]): string {
  const newest = payments
    .toSorted((a, b) => b.at - a.at || (a.words < b.words ? -1 : 1))
    .map(({ words }) => words);
  const others = newest.length - mostListed;
  return [...newest.slice(0, mostListed), ...(others > 0 ? [`${others} more`] : [])].join("; ");
}

/** Equal parts, or equal as a whole where one of the two is written without separators. */
function isSame({ parts: a, whole }: Spelled, { parts: b, whole: other }: Spelled): boolean {
  if (a.length === 0 || whole !== other) return false;
  return a.length === 1 || b.length === 1 || a.join("-") === b.join("-");
}

/** The numbers of a message that one earlier message had as well. More had it: it is the customer's, the contract's or the bank's. */
function thirdNumbers(asked: Spelled, earlier: readonly Spelled[]): ReadonlySet<string> {
  const numbers = asked.message().filter(({ whole }) => telling.test(whole));
  const times = new Map(numbers.map(({ whole }) => [whole, 0]));
  for (const paid of earlier)
    for (const whole of new Set(paid.message().map((one) => one.whole))) {
      const before = times.get(whole);
      if (before !== undefined) times.set(whole, before + 1);
    }
  return new Set([...times.keys()].filter((whole) => times.get(whole) === 1));
}

/** Is a reference in a message? A short one as a whole or at the beginning of another: `123-R1` is a grown `123`. */
function speaksOf({ parts, whole }: Written, message: Spelled): boolean {
  if (whole.length >= tellingLength) return message.message().some((one) => one.whole.includes(whole));
  if (!/\p{N}/u.test(whole)) return false;
  return message
    .message()
    .some((one) => one.whole === whole || parts.every((part, at) => part === one.parts[at]));
}

function sharesReference(paid: Spelled, asked: Spelled): boolean {
  if (speaksOf(paid, asked) || speaksOf(asked, paid)) return true;
  if (paid.whole !== "" && paid.whole === asked.whole) return true;
  return paid.digits.length >= 3 && paid.digits === asked.digits;
}

function sharesAmount(payment: EarlierPayment, paid: Spelled, bill: Bill, asked: Spelled): boolean {
  if (payment.amountUnits !== bill.amountUnits || payment.asset !== bill.asset) return false;
  const unnamed = paid.whole === "" || asked.whole === "";
  return unnamed || Math.abs(bill.at - payment.at) < sameAmountSeconds;
}
