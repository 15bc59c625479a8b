import { BaseError } from "../../core/errors.ts";

/** One thing that was looked at. */
export type Check = {
  readonly name: string;
  readonly ok: boolean;
  /** What was found, one line. */
  readonly detail: string;
  /** What to do about it; null where nothing is to be done. */
  readonly remedy: string | null;
  /** It could not be looked at: whether it is wrong, nobody knows. */
  readonly unseen?: true;
};

export const good = (name: string, detail: string): Check => ({ name, ok: true, detail, remedy: null });
export const bad = (name: string, detail: string, remedy: string): Check => ({
  name,
  ok: false,
  detail,
  remedy,
});

/** Something that could not be looked at, because of what an earlier check says. */
export const unseen = (name: string, first: string): Check => ({
  ...bad(name, `Not looked at: it needs the ${first}.`, `Mend what is wrong with the ${first} first.`),
  unseen: true,
});

/** Whatever goes wrong in a check is what the check finds. */
export async function looking(name: string, look: () => Promise<Check> | Check): Promise<Check> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof BaseError)) throw error;
    const facts = Object.entries(error.facts).map(([key, value]) => `${key} ${value}`);
    return bad(
      name,
      [error.shortMessage, ...facts].join(" · ").split("\n")[0]!,
      error.remedy ?? "See docs/architecture.md.",
    );
  }
}
