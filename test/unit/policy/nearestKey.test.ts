import { expect, it } from "vitest";

import { nearestKey } from "../../../src/policy/nearestKey.ts";

it.each<readonly [readonly (string | number)[], string, string | undefined]>([
  [[], "payess", "payees"],
  [[], "Gas", "gas"],
  [["gas"], "budgt", "budget"],
  [["payees", "acme"], "sender", "senders"],
  [["limits", 0], "lifetme", "lifetime"],
  [["limits", 0, "operations"], "perwindow", "perWindow"],
  [["limits", 1, "escalation"], "upto", "upTo"],
  [["contracts", "vault"], "adress", "address"],
  [["calls", 0], "fuction", "function"],
  [["calls", 0, "where", "params.fee"], "atmost", "atMost"],
  [["accountCaps", 0], "windows", "window"],
  [["mail"], "unauthentcated", "unauthenticated"],
  [["mail"], "colour", undefined],
  // A key of another place is not near here.
  [["gas"], "window", undefined],
])("knows at %j what may have been meant by %s", (path, written, expected) => {
  expect(nearestKey(path, written)).toBe(expected);
});
