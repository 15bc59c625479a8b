import { z } from "zod";
import { MailSettingsError } from "./errors.ts";

/** 1 MiB: more than any bill, less than what hurts a parser. */
const defaultMaxBytes = 1024 * 1024;

const keyName = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*\._domainkey\.[a-z0-9-]+(?:\.[a-z0-9-]+)+$/;

const schema = z.strictObject({
  trustedServers: z
    .array(
      z
        .string()
        .regex(
          /^[a-z0-9.-]+$/,
          "is a lower-case host name, as the server writes it in Authentication-Results",
        ),
    )
    .default([]),
  dkimKeys: z
    .record(
      z.string().regex(keyName, 'is named "selector._domainkey.domain" in lower case'),
      z.string().regex(/\bp=[A-Za-z0-9+/\s]/, "is a DKIM key record with a public key (p=…)"),
    )
    .default({}),
  maxBytes: z
    .int()
    .min(1024)
    .max(16 * 1024 * 1024)
    .default(defaultMaxBytes),
});

/** The operator's say on whom to believe. Everything not named here is unauthenticated. */
export type MailSettings = {
  /** authserv-ids (RFC 8601 §2.5) of the operator's own receiving servers. */
  readonly trustedServers: readonly string[];
  /** DKIM key records (RFC 6376 §3.6.1) by DNS name; nothing is ever looked up. */
  readonly dkimKeys: Readonly<Record<string, string>>;
  /** Larger mails are refused unread. */
  readonly maxBytes: number;
};

/** Mail settings from a parsed JSON or YAML document. */
export function parseMailSettings(document: unknown): MailSettings {
  const parsed = schema.safeParse(document);
  if (!parsed.success)
    throw new MailSettingsError(
      parsed.error.issues.map((issue) => {
        // zod says "Invalid key" of a record's name and keeps the reason one level below.
        const { message } = issue.code === "invalid_key" ? (issue.issues[0] ?? issue) : issue;
        return `${issue.path.map(String).join(".") || "the document"}: ${message}`;
      }),
    );
  return Object.freeze({
    trustedServers: Object.freeze(parsed.data.trustedServers),
    dkimKeys: Object.freeze(parsed.data.dkimKeys),
    maxBytes: parsed.data.maxBytes,
  });
}
