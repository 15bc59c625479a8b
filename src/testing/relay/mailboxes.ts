import { closeSync, existsSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";

import * as z from "zod";

import { BaseError } from "../../core/errors.ts";

/** The relay's journal is none, or is damaged in the middle. */
export class RelayJournalError extends BaseError {
  override readonly name = "RelayJournalError";
}

/** Bounds of what is kept: letters of one topic, letters and characters of all of them. */
const mostInTopic = 500;
const mostLetters = 20_000;
const mostCharacters = 64 * 1024 * 1024;

const letterSchema = z.strictObject({
  id: z.string(),
  topic: z.string(),
  message: z.string(),
  tag: z.number(),
  /** Unix milliseconds. */
  publishedAt: z.number(),
  expiresAt: z.number(),
  /** Client id of the author, who never gets it back. */
  from: z.string(),
  attestation: z.string().nullable(),
});
const lineSchema = z.union([
  z.strictObject({ letter: letterSchema }),
  z.strictObject({ ack: z.tuple([z.string(), z.string()]) }),
]);

/** One published message. The relay can't read it: the envelope is encrypted between the two ends. */
export type Letter = Readonly<z.infer<typeof letterSchema>>;

/** What was published and who has it, in memory and in a file that only grows until the next start. */
export type Mailboxes = {
  /** False when the same message is there already: publishing is repeated with the same content. @throws Error when it is full */
  put(letter: Letter): boolean;
  /** Whatever a client has not acknowledged, of others, the oldest first. */
  unread(client: string, topic: string): readonly Letter[];
  isUnread(letter: Letter, client: string): boolean;
  acknowledge(letter: Letter, client: string): void;
  all(): readonly Letter[];
  close(): void;
};

/**
 * Opens the mailboxes. Every letter and every acknowledgement is in the file before the call that brings it returns, so they survive
 * `kill -9` of the relay; they are not flushed to the disk, so not a power cut.
 *
 * @param file undefined: in memory only
 * @param now unix milliseconds
 * @throws RelayJournalError
 */
export function openMailboxes(file: string | undefined, now: () => number): Mailboxes {
  const topics = new Map<string, Letter[]>();
  const readers = new Map<string, Set<string>>();
  let count = 0;
  let characters = 0;

  const keep = (letter: Letter): void => {
    topics.set(letter.topic, [...(topics.get(letter.topic) ?? []), letter]);
    readers.set(letter.id, readers.get(letter.id) ?? new Set());
    count++;
    characters += letter.message.length;
  };
  const forgetExpired = (): void => {
    for (const [topic, letters] of topics) {
      const live = letters.filter(({ expiresAt }) => expiresAt > now());
      if (live.length === letters.length) continue;
      for (const gone of letters.filter((letter) => !live.includes(letter))) {
        readers.delete(gone.id);
        count--;
        characters -= gone.message.length;
      }
      if (live.length === 0) topics.delete(topic);
      else topics.set(topic, live);
    }
  };
  const live = (topic: string): readonly Letter[] =>
    (topics.get(topic) ?? []).filter(({ expiresAt }) => expiresAt > now());
  const all = (): readonly Letter[] => [...topics.keys()].flatMap(live);

  if (file !== undefined && existsSync(file)) {
    for (const line of readLines(file))
      if ("letter" in line) keep(line.letter);
      else readers.get(line.ack[0])?.add(line.ack[1]);
    forgetExpired();
  }
  const journal = file === undefined ? undefined : rewrite(file, all(), readers);
  const write = (line: z.infer<typeof lineSchema>): void => {
    if (journal !== undefined) writeSync(journal, `${JSON.stringify(line)}\n`);
  };

  return {
    put(letter) {
      forgetExpired();
      const others = live(letter.topic);
      if (others.some(({ message }) => message === letter.message)) return false;
      if (others.length >= mostInTopic)
        throw new Error(`the mailbox is full: ${mostInTopic} messages of one topic`);
      if (count >= mostLetters || characters + letter.message.length > mostCharacters)
        throw new Error("the relay is full");
      write({ letter });
      keep(letter);
      return true;
    },
    unread: (client, topic) =>
      live(topic).filter(({ from, id }) => from !== client && !readers.get(id)?.has(client)),
    isUnread: ({ from, id }, client) => from !== client && readers.get(id)?.has(client) === false,
    acknowledge({ id }, client) {
      if (readers.get(id)?.has(client) !== false) return;
      write({ ack: [id, client] });
      readers.get(id)!.add(client);
    },
    all,
    close() {
      if (journal !== undefined) closeSync(journal);
    },
  };
}

/** The last line may be torn: the relay was killed while it wrote it, and told nobody. */
function readLines(file: string): z.infer<typeof lineSchema>[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line, index) => {
    if (line === "") return [];
    try {
      return [lineSchema.parse(JSON.parse(line))];
    } catch (error) {
      if (index === lines.length - 1) return [];
      throw new RelayJournalError("The relay's journal can't be read.", {
        remedy: "Give another file with --journal, or delete this one: it holds only messages under way.",
        facts: { journal: file, line: index + 1 },
        cause: error,
      });
    }
  });
}

/** Writes what still counts to a new file that takes the old one's place, and leaves it open for more. */
function rewrite(
  file: string,
  letters: readonly Letter[],
  readers: ReadonlyMap<string, Set<string>>,
): number {
  const lines = letters.flatMap((letter) => [
    { letter },
    ...[...(readers.get(letter.id) ?? [])].map((client) => ({ ack: [letter.id, client] })),
  ]);
  writeFileSync(`${file}.new`, lines.map((line) => `${JSON.stringify(line)}\n`).join(""), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return openSync(file, "a", 0o600);
}
