import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MailFileError, MailTooLargeError } from "../../../src/mail/errors.ts";
import { listMail } from "../../../src/mail/mailFolder.ts";
import { readMailFile } from "../../../src/mail/readMailFile.ts";

const limit = { maxBytes: 1024 };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bursar-mail-"));
  await writeFile(join(folder, "outside.txt"), "secret");
  const inbox = join(folder, "inbox");
  await mkdir(join(inbox, "folder.eml"), { recursive: true });
  for (const name of ["10.eml", "02.eml", "B.eml", "a.eml", ".hidden.eml", "03.eml.tmp", "notes.txt"])
    await writeFile(join(inbox, name), name);
  await symlink(join(folder, "outside.txt"), join(inbox, "04.eml"));
  await writeFile(join(inbox, "05.eml"), "");
  // Five gigabytes that take no space: reading it would be noticed.
  await truncate(join(inbox, "05.eml"), 5e9);
});
afterAll(() => rm(folder, { recursive: true }));

describe("listMail", () => {
  it("lists mails by name, and says of each whether it can be used", async () => {
    const files = await listMail(join(folder, "inbox"), limit);
    expect(files.map(({ name, state }) => `${name} ${state}`)).toEqual([
      "02.eml ready",
      "04.eml unusable",
      "05.eml unusable",
      "10.eml ready",
      "B.eml ready",
      "a.eml ready",
      "folder.eml unusable",
    ]);
    const errors = files.flatMap((file) => (file.state === "unusable" ? [file.error] : []));
    expect(errors[0]?.message).toContain("a link");
    expect(errors[1]).toBeInstanceOf(MailTooLargeError);
    expect(errors[2]?.message).toContain("no regular file");
  });

  it("says so when there is no folder", async () => {
    await expect(listMail(join(folder, "none"), limit)).rejects.toBeInstanceOf(MailFileError);
  });
});

describe("readMailFile", () => {
  it("reads a mail, and nothing through a link, too large, or not there", async () => {
    const at = (name: string) => readMailFile(join(folder, "inbox", name), limit);
    expect(Buffer.from(await at("02.eml")).toString()).toBe("02.eml");
    await expect(at("04.eml")).rejects.toBeInstanceOf(MailFileError);
    await expect(at("05.eml")).rejects.toBeInstanceOf(MailTooLargeError);
    await expect(at("folder.eml")).rejects.toBeInstanceOf(MailFileError);
    await expect(at("none.eml")).rejects.toBeInstanceOf(MailFileError);
  });
});
