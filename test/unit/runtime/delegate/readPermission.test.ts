import { getAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";

import type { Json } from "../../../../src/core/json.ts";
import { permissionMethods } from "../../../../src/core/walletLink.ts";
import type { PermissionTerms } from "../../../../src/policy/permission.ts";
import { permissionRequest } from "../../../../src/runtime/delegate/permissionRequest.ts";
import { readPermission } from "../../../../src/runtime/delegate/readPermission.ts";
import { framework } from "../../../integration/framework.ts";
import { permit, type PermissionParams } from "../../../walletconnect/permissionWallet.ts";
import { permissionModes, type PermissionMode } from "../../../walletconnect/walletMessages.ts";

const [anna, stranger] = [
  privateKeyToAccount(`0x${"11".repeat(32)}`),
  privateKeyToAccount(`0x${"99".repeat(32)}`),
];
const asked: PermissionTerms = {
  account: anna.address,
  spender: getAddress(`0x${"3".repeat(40)}`),
  manager: framework.manager,
  token: getAddress(`0x${"4".repeat(40)}`),
  perPeriod: 60_000_000n,
  period: 86_400,
  start: 1_800_000_000,
  expiry: 1_800_000_000 + 30 * 86_400,
  purpose: "Pays Anna's bills.",
};

/** What only the chain can tell: whose signature it is, and what an enforcer does. */
const chainTells: readonly PermissionMode[] = ["unsigned", "signedByStranger", "blindEnforcer", "blindClock"];

/** What is said of each of the others. */
const words: Readonly<Record<string, string>> = {
  anotherCaveat: "what it signed has a condition that is not known here.",
  anotherField: 'it can\'t be read: Unrecognized key: "alsoPermits".',
  anotherRule: "it has a rule that is not known here.",
  dependencies: "The wallet's account is not on the chain yet, so nothing can be taken out of it.",
  earlierStart: "it begins at another time.",
  forAnybody: "what it signed is for somebody else.",
  forStranger: "what it signed is for somebody else.",
  garbage: "what it signed is not one delegation.",
  handedOn: "what it signed is another's permission, handed on.",
  laterExpiry: "it ends at another time.",
  laterSigned: "what it signed does not end when it was asked to.",
  moreAmount: "it is for another amount.",
  moreSigned: "what it signed is not limited to the amount a period.",
  otherChain: "it is for another chain.",
  otherFrom: "it is out of another account.",
  otherManager: "a contract would enforce it that is not trusted here.",
  otherTo: "it is for somebody else.",
  otherToken: "it is for another token.",
  outOfStranger: "what it signed is out of another account.",
  shorterPeriod: "its periods are of another length.",
  twoPermissions: "it names 2 permissions.",
  twoSigned: "what it signed is not one delegation.",
  unlimitedSigned: "what it signed is not limited to the amount a period.",
};

describe.each(permissionMethods)("an answer to %s", (method) => {
  const request = permissionRequest(method, asked, 31337) as unknown as PermissionParams;
  const answer = async (mode: PermissionMode | "right") =>
    JSON.parse(JSON.stringify(await permit(anna, stranger, request, mode))) as Json;
  const read = async (mode: PermissionMode | "right") => readPermission(await answer(mode), asked, 31337);

  it("is read where it is what was asked", async () => {
    const permission = await read("right");
    expect(permission).toMatchObject({ ...asked, enforcer: framework.period });
    const [only] = (await answer("right")) as [Json];
    expect(readPermission(only, asked, 31337)).toMatchObject(asked);
  });

  it("is left to the chain where only that can tell", async () => {
    for (const mode of chainTells) expect(await read(mode)).toMatchObject(asked);
  });

  it("is refused where anything of it is another thing", async () => {
    for (const mode of permissionModes.filter((one) => !chainTells.includes(one))) {
      // There are no rules in the form of before.
      if (mode === "anotherRule" && method === "wallet_grantPermissions") continue;
      const said = await read(mode).then(
        () => "read",
        (error: Error) => error.message,
      );
      expect(`${mode}: ${said}`).toContain(words[mode] ?? "words for each");
    }
  });

  it("is refused where a place that says the same says another thing", async () => {
    const [right] = (await answer("right")) as [Record<string, Json>];
    const here = stranger.address;
    for (const more of [
      { from: here },
      { address: here },
      { to: here },
      { signer: { type: "account", data: { address: here } } },
      { delegationManager: here },
      { signerMeta: { delegationManager: here } },
      { expiry: asked.expiry + 1 },
      { rules: [{ type: "expiry", data: { timestamp: asked.expiry - 1 } }] },
      { dependencyInfo: [{}] },
      { isAdjustmentAllowed: true },
      { chainId: 1 },
      { context: "0x" },
      { permission: "all" },
    ])
      expect(() => readPermission({ ...right, ...more }, asked, 31337)).toThrow(
        /permitted something else|not on the chain yet/,
      );
  });

  it("is refused where something is missing, or is no answer at all", async () => {
    const [right] = (await answer("right")) as [Record<string, Json>];
    for (const name of Object.keys(right)) {
      if (["dependencies", "accountMeta", "isAdjustmentAllowed"].includes(name)) continue;
      const { [name]: _, ...rest } = right;
      expect(() => readPermission(rest, asked, 31337)).toThrow(/permitted something else/);
    }
    for (const none of [null, [], "0x12", 7, [[]]])
      expect(() => readPermission(none, asked, 31337)).toThrow(/permitted something else/);
  });
});
