/** One figure of the bench, in gas. Aims and limits are the design's; a figure without them is there to be known. */
export type Target = {
  readonly name: string;
  /** What we want it to cost. */
  readonly aim: number | null;
  /** What it may cost at most. */
  readonly must: number | null;
  /** The row of the account without any policy that does the same. */
  readonly comparedWith: "simpleAccount.erc20" | "simpleAccount.native";
};

const target = (
  name: string,
  aim: number | null = null,
  must: number | null = null,
  comparedWith: Target["comparedWith"] = "simpleAccount.erc20",
): Target => Object.freeze({ name, aim, must, comparedWith });

/** Every figure, in the order of the table. Which of them are measured is what the groups of `bench/gas/groups.ts` say. */
export const targets: readonly Target[] = Object.freeze([
  target("simpleAccount.erc20"),
  target("simpleAccount.native", null, null, "simpleAccount.native"),
  target("agentAccount.erc20.standard", 108_000, 112_000),
  target("agentAccount.native.standard", 102_000, 105_000, "simpleAccount.native"),
  target("validator.erc20.standard", 117_000, 122_000),
  target("validator.erc20.standard.hook", 123_000, 128_000),
  target("accountCap.extra"),
  target("grant.signed.extra", 28_000, 40_000),
  target("revoke.one", 33_000, 38_000),
  target("revoke.all", 33_000, 38_000),
  target("revoke.one.userOp", 81_000, 88_000),
  // Safe's AllowanceModule takes 67,489 for a capped transfer, Coinbase's SpendPermissionManager 76,184; neither has payees or a log.
  target("spendGrant.direct.erc20", 67_500, 76_000),
  target("spendGrant.userOp.erc20"),
  target("spendGrant.approve.signed"),
  target("spendGrant.revoke"),
  target("permission.userOp.erc20"),
  target("permission.revoke"),
  target("anchor.batch100.perDecision", 300, 520),
]);

/** EIP-170: bytes of code that a contract may have. */
export const largestCode = 24_576;
