import { describe, expect, it } from "vitest";

import { progressOn } from "../../../src/cli/modelProgress.ts";

describe("progress", () => {
  it("is a bar on a terminal, with speed and what is left", () => {
    let [written, nowMs] = ["", 0];
    const { show, end } = progressOn({
      isTTY: true,
      write: (piece) => (written += piece),
      nowMs: () => nowMs,
    });
    const at = (ms: number, doneBytes: number, totalBytes: number | null = 4e9) => {
      nowMs = ms;
      show({ kind: "bytes", doneBytes, totalBytes });
      return written.split("\r\u001b[K").at(-1);
    };
    at(1000, 0);
    expect(at(3000, 1e9)).toBe(
      "fetching [██████░░░░░░░░░░░░░░░░░░]  25 %  1.0 GB of 4.0 GB  500.0 MB/s  6 s left",
    );
    const before = written;
    at(3050, 2e9);
    expect(written).toBe(before);
    expect(at(9000, 4e9)).toMatch(/100 % {2}4\.0 GB of 4\.0 GB.*\n$/);
    show({ kind: "hashed", permille: 500 });
    end();
    expect(written).toMatch(/hashing \[.*\] {2}50 %\n$/);
  });

  it("is a line every ten percent elsewhere, or every 100 MB when no end is known", () => {
    let written = "";
    const { show } = progressOn({ isTTY: false, write: (piece) => (written += piece), nowMs: () => 0 });
    for (let doneBytes = 0; doneBytes <= 1000; doneBytes += 7)
      show({ kind: "copied", doneBytes, totalBytes: 1000 });
    expect(written.split("\n")).toHaveLength(11);
    written = "";
    for (let doneBytes = 0; doneBytes <= 3e8; doneBytes += 1e7)
      show({ kind: "bytes", doneBytes, totalBytes: null });
    expect(written).toBe("fetching  0 B\nfetching  100.0 MB\nfetching  200.0 MB\nfetching  300.0 MB\n");
    show({ kind: "restarted" });
    expect(written).toMatch(/beginning anew\n$/);
  });
});
