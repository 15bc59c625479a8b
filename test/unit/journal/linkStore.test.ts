import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { LinkRequest } from "../../../src/core/linkStore.ts";
import { openLinkStore } from "../../../src/journal/linkStore.ts";
import type { JournalDatabase } from "../../../src/journal/openJournal.ts";
import { randomSecret } from "../../../src/runtime/clock.ts";
import { tamper, temporaryFolder, temporaryJournal } from "./temporary.ts";

const secret = "symKey-0123456789abcdef";
const request: LinkRequest = {
  id: "ask:1",
  wireId: 1_763_841_234_567_001,
  topic: "ab".repeat(32),
  chainId: 31337,
  method: "eth_signTypedData_v4",
  account: `0x${"11".repeat(20)}`,
  digest: `0x${"22".repeat(32)}`,
  expiresAt: 1_763_842_000,
  published: false,
  outcome: null,
};
const approved = { outcome: "approved", answer: `0x${"cd".repeat(65)}` } as const;

const openIn = (folder: string, journal: JournalDatabase = temporaryJournal(folder)) => ({
  journal,
  ...openLinkStore(journal, join(folder, "link.key"), randomSecret),
});

describe("what the link keeps", () => {
  it("is there after a restart, and changes as a whole", async () => {
    const folder = temporaryFolder();
    const first = openIn(folder);
    await first.store.set("keychain", secret);
    await Promise.all([
      first.store.set("a", "1"),
      first.store.set("a", "2"),
      first.store.set("b", "é\u{1f511}"),
    ]);
    expect(await first.store.get("a")).toBe("2");
    await first.store.delete("a");
    first.journal.close();
    const again = openIn(folder);
    expect(again.dropped).toBe(0);
    expect(await again.store.entries()).toEqual([
      ["b", "é\u{1f511}"],
      ["keychain", secret],
    ]);
    expect([await again.store.keys(), await again.store.get("a")]).toEqual([["b", "keychain"], undefined]);
  });

  it("reads what was asked to be kept before, without waiting for it", async () => {
    const { store } = openIn(temporaryFolder());
    const kept = store.set("a", "1");
    expect(await store.get("a")).toBe("1");
    await kept;
  });

  it("can't be read from the database alone, whose files are the owner's", async () => {
    const folder = temporaryFolder();
    const { journal, requests, store } = openIn(folder);
    await store.set("keychain", secret);
    await requests.begin(request);
    await requests.settle(request.id, approved);
    for (const name of ["journal.db", "journal.db-wal", "link.key"])
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    journal.close();
    const bytes = readFileSync(join(folder, "journal.db"));
    expect([bytes.includes(secret), bytes.includes("cdcdcdcd"), bytes.includes(request.topic)]).toEqual([
      false,
      false,
      true,
    ]);

    // A copy on another machine, without the key: no sessions, and an answer that nobody can know any more.
    const elsewhere = temporaryFolder();
    copyFileSync(join(folder, "journal.db"), join(elsewhere, "journal.db"));
    const copy = openIn(elsewhere);
    expect([copy.dropped, await copy.store.keys()]).toEqual([1, []]);
    expect((await copy.requests.all())[0]?.outcome).toMatchObject({ outcome: "lost" });
    expect(readFileSync(join(elsewhere, "link.key"), "utf8")).not.toBe(
      readFileSync(join(folder, "link.key"), "utf8"),
    );
  });

  it("opens at its own place only, and not after a single bit has changed", async () => {
    const folder = temporaryFolder();
    const { journal, store } = openIn(folder);
    await store.set("one", "1");
    await store.set("other", "2");
    const file = join(folder, "journal.db");
    journal.close();
    tamper(
      file,
      "update link_value set value = (select value from link_value where name = 'other') where name = 'one'",
    );
    const swapped = openIn(folder);
    expect([swapped.dropped, await swapped.store.keys()]).toEqual([1, []]);
    await swapped.store.set("one", "1");
    swapped.journal.close();
    tamper(file, "update link_value set value = substr(value, 1, 8) || 'AAAA' || substr(value, 13)");
    expect(openIn(folder).dropped).toBe(1);
  });

  it("refuses a key that others may read or that is none", () => {
    const folder = temporaryFolder();
    const journal = temporaryJournal(folder);
    writeFileSync(join(folder, "link.key"), `${"ab".repeat(32)}\n`, { mode: 0o644 });
    expect(() => openIn(folder, journal)).toThrow("may be read by others");
    writeFileSync(join(folder, "other.key"), "password", { mode: 0o600 });
    expect(() => openLinkStore(journal, join(folder, "other.key"), randomSecret)).toThrow(
      "is no key of 32 bytes",
    );
    expect(() => openLinkStore(journal, join(folder, "no", "where.key"), randomSecret)).toThrow(
      "can't be written",
    );
  });
});

describe("requests to wallets", () => {
  it("are begun once, settled once, and forgotten", async () => {
    const folder = temporaryFolder();
    const { journal, requests } = openIn(folder);
    expect(await Promise.all([requests.begin(request), requests.begin(request)])).toEqual([true, false]);
    await requests.published(request.id);
    const other = { outcome: "rejected", code: 5000, message: "no" } as const;
    expect(
      await Promise.all([requests.settle(request.id, approved), requests.settle(request.id, other)]),
    ).toEqual([true, false]);
    expect(await requests.settle("nobody", approved)).toBe(false);
    journal.close();
    const again = openIn(folder).requests;
    expect(await again.all()).toEqual([{ ...request, published: true, outcome: approved }]);
    await again.forget(request.id);
    expect(await again.all()).toEqual([]);
  });
});
