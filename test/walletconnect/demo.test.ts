// `npm run demo:delegate`: the story as a script reads it.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { expect, test } from "vitest";

test("the demo delegates, pays, asks and is stopped, and says so in JSON", async () => {
  const state = mkdtempSync(path.join(tmpdir(), "bursar-demo-delegate-"));
  const demo = path.join(import.meta.dirname, "../../examples/delegate/demo.ts");
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--disable-warning=ExperimentalWarning",
      "--conditions=source",
      demo,
      "--json",
      "--state",
      path.join(state, "play"),
    ]);
    const told = JSON.parse(stdout) as { readonly grant: { readonly hash: string } };
    expect(told).toMatchObject({
      rung: "spendGrant",
      grant: { limits: { perCall: "300000000", total: "400000000" } },
      spent: "343360000",
      approvals: { asked: 1, approved: 1 },
      afterRevoke: "refused by chain",
    });
    expect(told.grant.hash).toMatch(/^0x[0-9a-f]{64}$/);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
});
