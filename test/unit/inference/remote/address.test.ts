import { expect, test } from "vitest";

import { readAddress } from "../../../../src/inference/remote/address.ts";

test("a server's words that are cut within a character can be written down", async () => {
  const { clean } = await readAddress({ url: "http://127.0.0.1:1" });
  expect(clean(`${"a".repeat(299)}\u{1f600}`)).toBe(`${"a".repeat(299)}\ufffd`);
});
