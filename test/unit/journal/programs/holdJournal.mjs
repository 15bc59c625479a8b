// Opens the journal named on the command line, says so, and holds it until it is killed.
import { openJournal } from "../../../../src/journal/openJournal.ts";

try {
  const journal = openJournal(process.argv[2] ?? "");
  process.stdout.write("open\n");
  setInterval(() => journal.path, 1000);
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.name : String(error)}\n`);
}
