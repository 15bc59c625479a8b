import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { Json } from "../core/json.ts";
import type { LinkRequest, LinkRequests, LinkStore } from "../core/linkStore.ts";
import type { RandomSecret } from "../core/ports.ts";
import type { RequestOutcome } from "../core/walletLink.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";
import { openSealedValues } from "./sealedValues.ts";
import type { Tables } from "./tables.ts";

const valueAt = query((tables, { name }: { name: string }) =>
  tables.selectFrom("link_value").select("value").where("name", "=", name),
);
const allValues = query((tables) => tables.selectFrom("link_value").selectAll().orderBy("name"));
const keepValue = query((tables, row: Tables["link_value"]) =>
  tables
    .insertInto("link_value")
    .values(row)
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ value: row.value })),
);
const deleteValue = query((tables, { name }: { name: string }) =>
  tables.deleteFrom("link_value").where("name", "=", name),
);

const requestAt = query((tables, { id }: { id: string }) =>
  tables.selectFrom("link_request").select(["id", "outcome"]).where("id", "=", id),
);
const allRequests = query((tables) => tables.selectFrom("link_request").selectAll().orderBy("wire_id"));
const insertRequest = query((tables, row: Tables["link_request"]) =>
  tables.insertInto("link_request").values(row),
);
const markPublished = query((tables, { id }: { id: string }) =>
  tables.updateTable("link_request").set({ published: 1 }).where("id", "=", id),
);
const keepOutcome = query((tables, { id, outcome }: { id: string; outcome: string }) =>
  tables.updateTable("link_request").set({ outcome }).where("id", "=", id),
);
const deleteRequest = query((tables, { id }: { id: string }) =>
  tables.deleteFrom("link_request").where("id", "=", id),
);

export type JournalLinkStore = {
  readonly store: LinkStore;
  readonly requests: LinkRequests;
  /** Values that the key does not open: the key file is another one, and the sessions they held are gone. They were deleted. */
  readonly dropped: number;
};

const valuePlace = (name: string): string => `link_value/${name}`;
const outcomePlace = (id: string): string => `link_request/${id}`;
/** An outcome that can't be read any more is as good as none that was heard. */
const unreadable: RequestOutcome<Json> = {
  outcome: "lost",
  why: "its record can't be read: the key beside the journal is another one",
};

/**
 * Where the link to wallets keeps its things: in the journal, sealed by the key in `keyFile` (`sealedValues.ts`). A value takes the
 * old one's place in one statement, so a kill leaves one or the other. What is written in the same turn of the event loop shares a flush.
 *
 * @throws JournalKeyError
 */
export function openLinkStore(
  database: JournalDatabase,
  keyFile: string,
  randomSecret: RandomSecret,
): JournalLinkStore {
  const sealed = openSealedValues(keyFile, randomSecret);
  const foreign = database
    .all(allValues())
    .filter(({ name, value }) => sealed.open(valuePlace(name), value) === undefined);
  if (foreign.length > 0)
    database.atomically(() => {
      // Half of the SDK's things are worth nothing, and worse than nothing to it.
      for (const { name } of database.all(allValues())) database.run(deleteValue({ name }));
    });
  const opened = () =>
    database.all(allValues()).flatMap(({ name, value }): readonly (readonly [string, string])[] => {
      const text = sealed.open(valuePlace(name), value);
      return text === undefined ? [] : [[name, text]];
    });

  return {
    dropped: foreign.length,
    store: {
      // Behind the changes that were asked for before it.
      get: (name) =>
        database.together(() => {
          const row = database.get(valueAt({ name }));
          return row && sealed.open(valuePlace(name), row.value);
        }),
      set: (name, value) => {
        const row = { name, value: sealed.seal(valuePlace(name), value) };
        return database.together(() => database.run(keepValue(row)));
      },
      delete: (name) => database.together(() => database.run(deleteValue({ name }))),
      keys: () => database.together(() => opened().map(([name]) => name)),
      entries: () => database.together(opened),
    },
    requests: {
      begin: (request) =>
        database.together(() => {
          if (database.get(requestAt({ id: request.id })) !== undefined) return false;
          database.run(insertRequest(toRow(request, null)));
          return true;
        }),
      published: (id) => database.together(() => database.run(markPublished({ id }))),
      settle: (id, outcome) =>
        database.together(() => {
          const row = database.get(requestAt({ id }));
          if (row === undefined || row.outcome !== null) return false;
          database.run(keepOutcome({ id, outcome: sealed.seal(outcomePlace(id), canonicalize(outcome)) }));
          return true;
        }),
      all: () =>
        Promise.resolve(
          database.all(allRequests()).map((row): LinkRequest => {
            const text = row.outcome === null ? null : sealed.open(outcomePlace(row.id), row.outcome);
            return {
              id: row.id,
              wireId: row.wire_id,
              topic: row.topic,
              chainId: row.chain_id,
              method: row.method,
              account: row.account,
              digest: row.digest,
              expiresAt: row.expires_at,
              published: row.published === 1,
              outcome:
                text === null
                  ? null
                  : text === undefined
                    ? unreadable
                    : (parseCanonical(text) as RequestOutcome<Json>),
            };
          }),
        ),
      forget: (id) => database.together(() => database.run(deleteRequest({ id }))),
    },
  };
}

const toRow = (request: LinkRequest, outcome: string | null): Tables["link_request"] => ({
  id: request.id,
  wire_id: request.wireId,
  topic: request.topic,
  chain_id: request.chainId,
  method: request.method,
  account: request.account,
  digest: request.digest,
  expires_at: request.expiresAt,
  published: request.published ? 1 : 0,
  outcome,
});
