import type { Json } from "../../core/json.ts";
import type { Fact } from "../../core/observation.ts";
import type { Trigger } from "../../core/trigger.ts";
import { excerptMail } from "../../mail/excerpt.ts";
import type { Mail } from "../../mail/mail.ts";
import { referencesIn } from "../../policy/occurrences.ts";

/** References of one mail that are remembered; a page of numbers is no bill. */
const mostReferences = 200;

/** Characters of a sender's display name that are read; it is free text like all the rest. */
const longestName = 60;

/**
 * One mail, one trigger. The model reads who it says it is from, then the excerpt (docs/mail.md).
 * It is known by the digest of its bytes, not by its Message-ID: a Message-ID is the sender's
 * choice, and a stranger could use up that of a bill to come.
 */
export function mailTrigger(label: string, mail: Mail, excerptCharacters: number): Trigger {
  const from = `From: ${(mail.from.name || mail.from.address).slice(0, longestName)}`;
  const excerpt = excerptMail(mail, excerptCharacters - from.length - 1);
  const untrusted = (value: Json): Fact => ({
    value: typeof value === "string" ? value.toWellFormed() : value,
    provenance: "untrusted",
  });
  const operator = (value: Json): Fact => ({ value, provenance: "operator" });
  const facts: Record<string, Fact> = {
    "mail.digest": operator(mail.digest),
    "mail.from": untrusted(mail.from.address),
    "mail.fromName": untrusted(mail.from.name),
    "mail.subject": untrusted(mail.subject),
    "mail.text": untrusted(`${from}\n${excerpt.text}`),
    // Of the whole mail: the model reads an excerpt, the duplicate check must not.
    "mail.references": untrusted(referencesIn(`${mail.subject}\n${mail.text}`, mostReferences)),
    "mail.excerptRule": operator(excerpt.rule),
    "mail.cut": operator(excerpt.cut),
    "mail.notes": operator(mail.notes.map((note) => note.toWellFormed())),
    "mail.authenticated": operator(mail.sender.state === "authenticated"),
    "mail.domain": operator(mail.sender.domain ?? null),
    "mail.authentication": operator(mail.sender.detail.toWellFormed()),
  };
  return {
    kind: "mail",
    dedupeId: `mail:${mail.digest}`,
    label,
    payload: { facts: facts },
  };
}
