/** Who vouches that the mail comes from the domain of its From header, or why nobody does. */
export type Authentication = {
  readonly state: "authenticated" | "unauthenticated";
  readonly by: "dkim" | "authentication-results" | "none";
  /** The From domain in ASCII (A-labels) where authenticated. It says nothing about being a known payee. */
  readonly domain: string | undefined;
  /** One sentence for people. */
  readonly detail: string;
};

export type Attachment = { readonly name: string; readonly mediaType: string; readonly sizeBytes: number };

/** A mail as far as an agent needs it: who, when, what it says, and whether the sender is real. */
export type Mail = {
  /** sha256 of the raw bytes, `0x…`. Key on this: a Message-ID is the sender's choice. */
  readonly digest: `0x${string}`;
  /** Message-ID without its angle brackets, or `sha256-…` of the raw bytes where the mail has none. */
  readonly messageId: string;
  readonly from: { readonly address: string; readonly name: string };
  readonly subject: string;
  /** The Date header in unix seconds. The sender's claim, never a clock. */
  readonly date: number | undefined;
  /** What a person would see, as plain text (docs/mail.md). */
  readonly text: string;
  readonly sender: Authentication;
  readonly sizeBytes: number;
  readonly attachments: readonly Attachment[];
  /** What reading changed or found odd, one sentence each. */
  readonly notes: readonly string[];
};
