// Makes the given number of commits in the journal named on the command line: the subject of an fsync count.
import { noteOnce } from "../../../../src/journal/entries.ts";
import { openJournal } from "../../../../src/journal/openJournal.ts";

const journal = openJournal(process.argv[2] ?? "");
for (let note = 0; note < Number(process.argv[3]); note++)
  noteOnce(journal, "clerk", `note-${note}`, "noted", {});
journal.close();
