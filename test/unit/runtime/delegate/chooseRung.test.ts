import { describe, expect, it } from "vitest";

import { chooseRung } from "../../../../src/runtime/delegate/chooseRung.ts";
import { permit2Address } from "../../../../src/chain/deploy.ts";
import { stopsOf } from "../../../../src/runtime/delegate/stopCard.ts";

const plain = { methods: ["personal_sign", "eth_signTypedData_v4"] };
const manager = "0x00000000000000000000000000000000000dE1e6";

describe("the rung of a delegation", () => {
  it.each([
    ["a wallet that signs typed data", plain, { beyondTokens: false, managers: [manager] }, "spendGrant"],
    [
      "a wallet with permissions of its own, by the name of today",
      { methods: ["wallet_requestExecutionPermissions"] },
      { beyondTokens: false, managers: [manager] },
      "erc7715",
    ],
    [
      "the same by the old name",
      { methods: ["wallet_grantPermissions"] },
      { beyondTokens: false, managers: [manager] },
      "erc7715",
    ],
    [
      "permissions that nobody here trusts a contract to enforce",
      { methods: ["wallet_grantPermissions"] },
      { beyondTokens: false, managers: [] },
      "spendGrant",
    ],
    [
      "an amount per payment, which permissions do not know",
      { methods: ["wallet_requestExecutionPermissions"] },
      { beyondTokens: false, managers: [manager], perPayment: true },
      "spendGrant",
    ],
    [
      "the same where the policy pays under permissions alone",
      { methods: ["wallet_requestExecutionPermissions"] },
      { beyondTokens: false, managers: [manager], perPayment: true, noGrants: true },
      "erc7715",
    ],
    [
      "a wallet without permissions where the policy pays under them alone",
      plain,
      { beyondTokens: false, managers: [manager], noGrants: true },
      "spendGrant",
    ],
    [
      "a grant that was asked for",
      { methods: ["wallet_grantPermissions"] },
      { beyondTokens: false, managers: [manager], onlyGrants: true },
      "spendGrant",
    ],
    ["native coin or calls", plain, { beyondTokens: true, managers: [manager] }, "account"],
  ] as const)("follows from %s, and says why", (_, session, wanted, rung) => {
    const chosen = chooseRung(session, wanted);
    expect(chosen.rung).toBe(rung);
    expect(chosen.why).toMatch(/^[A-Z].+\.$/);
  });
});

it("a stop card has three ways, each a transaction of the payer's own", () => {
  const id = `0x${"12".repeat(32)}` as const;
  const [contract, address] = [
    "0x00000000000000000000000000000000000c0de0",
    "0x0000000000000000000000000000000000070ce0",
  ] as const;
  const token = { symbol: "USDC", address, decimals: 6 };
  const grant = { chainId: 10, contract, token, id, rung: "spendGrant", source: "token" } as const;
  const links = (of: Parameters<typeof stopsOf>[0]) => stopsOf(of).map(({ link }) => link);
  const ends = [`ethereum:${contract}@10/revoke?bytes32=${id}`, `ethereum:${contract}@10/revokeAll`];
  expect(links(grant)).toEqual([...ends, `ethereum:${address}@10/approve?address=${contract}&uint256=0`]);
  expect(links({ ...grant, source: "permit2" })).toEqual([
    ...ends,
    `ethereum:${permit2Address}@10/approve?address=${address}&address=${contract}&uint160=0&uint48=0`,
  ]);
  expect(links({ ...grant, rung: "erc7715" })).toEqual(ends);
});
