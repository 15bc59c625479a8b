import { expect, test } from "vitest";

import { withoutPaths } from "../../../src/cli/withoutPaths.ts";

test.each([
  ["URL: https://eth.example/v2/SECRET-4711\nRequest body", "URL: https://eth.example\nRequest body"],
  ["at (wss://relay.example:443/?projectId=abc) now", "at (wss://relay.example:443) now"],
  ["https://user:pass@node.example/a b", "https://node.example b"],
  ['"http://127.0.0.1:8545"', '"http://127.0.0.1:8545"'],
  ["file:///home/a/src/a.ts:3:1", "file:///home/a/src/a.ts:3:1"],
])("%j becomes %j", (text, shown) => {
  expect(withoutPaths(text)).toBe(shown);
});
