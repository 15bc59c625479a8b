// Makes the given number of commits in the journal named on the command line, as sure as it says: the subject of an fsync count.
import { setNote } from "../../../../src/journal/notes.ts";
import { openJournal } from "../../../../src/journal/openJournal.ts";

const journal = openJournal(process.argv[2] ?? "");
for (let note = 0; note < Number(process.argv[3]); note++)
  await journal.together(() => setNote(journal, "note", String(note)), process.argv[4]);
journal.close();
