import { describe, expect, it } from "vitest";

import type { RawSession } from "../../../src/delegation/linkMessages.ts";
import { hasAccount, isOther, misfit, readSession } from "../../../src/delegation/readSession.ts";

const anna = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";
const space = (accounts: readonly string[], methods: readonly string[] = ["personal_sign"]) => ({
  accounts: [...accounts],
  methods: [...methods],
  events: ["accountsChanged"],
  chains: [],
});
const raw = (namespaces: RawSession["namespaces"]): RawSession => ({
  topic: "ab".repeat(32),
  pairingTopic: "cd".repeat(32),
  expiry: 1_763_842_000,
  namespaces,
  name: "wallet",
  url: "https://wallet.example",
  properties: { atomic: "unsupported" },
});
const asked = { chains: [1, 31337], methods: ["personal_sign", "eth_signTypedData_v4"] };

describe("a session", () => {
  it("is read from all EVM namespaces, each account once, with its checksum", () => {
    const session = readSession(
      raw({
        eip155: space([`eip155:1:${anna.toLowerCase()}`, `eip155:1:${anna}`]),
        "eip155:31337": space([`eip155:31337:${anna}`], ["eth_signTypedData_v4", "personal_sign"]),
        solana: space(
          ["solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:7S3P4HxJpyyigGzodYwHtCxZyUQe9JiBMHyRWXArAaKv"],
          ["solana_sign"],
        ),
      }),
    );
    expect(session).toMatchObject({
      accounts: [
        { chainId: 1, address: anna },
        { chainId: 31337, address: anna },
      ],
      methods: ["personal_sign", "eth_signTypedData_v4"],
      events: ["accountsChanged"],
      expiresAt: 1_763_842_000,
    });
    expect(misfit(session, asked)).toBeUndefined();
    expect(hasAccount(session!, { chainId: 1, address: anna.toLowerCase() as `0x${string}` })).toBe(true);
    expect(hasAccount(session!, { chainId: 2, address: anna })).toBe(false);
  });

  it.each([
    "eip155:0:0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
    "eip155:01:0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
    "eip155:9999999999999999:0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
    "eip155:1:0x19E7",
    "eip155:1:alice.eth",
    "cosmos:1:0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
    "",
  ])("takes %j for no account", (account) => {
    const session = readSession(raw({ eip155: space([account]) }));
    expect(session).toBeUndefined();
    expect(misfit(session, asked)).toBe("the wallet approved no EVM account");
  });

  it("is unfit on other chains and with other methods", () => {
    expect(misfit(readSession(raw({ eip155: space([`eip155:5:${anna}`]) })), asked)).toContain(
      "no account on chain 1 or 31337",
    );
    expect(misfit(readSession(raw({ eip155: space([`eip155:1:${anna}`], ["eth_sign"]) })), asked)).toContain(
      "none of personal_sign",
    );
  });

  it("is another one when anything of it has changed", () => {
    const one = readSession(raw({ eip155: space([`eip155:1:${anna}`]) }))!;
    expect(isOther(one, readSession(raw({ eip155: space([`eip155:1:${anna}`]) }))!)).toBe(false);
    expect(isOther(one, { ...one, expiresAt: one.expiresAt + 1 })).toBe(true);
  });
});
