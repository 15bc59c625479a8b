import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import * as z from "zod";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { isPlain } from "../../../src/policy/grant.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { policySchema } from "../../../src/policy/schema.ts";
import { worstCase } from "../../../src/policy/worstCase.ts";
import { agent, everything, shipped } from "./documents.ts";

const folder = join(import.meta.dirname, "../../../policies");
const published = JSON.parse(
  readFileSync(join(folder, "policy.schema.json"), "utf8"),
) as z.core.JSONSchema.JSONSchema;
const compiled = (name: string) => compilePolicy(parsePolicy(shipped(name), name), agent);
const usdc = (units: number) => BigInt(units) * 1_000_000n;
const gwei = 10n ** 9n;

describe("the policies that ship", () => {
  const names = readdirSync(folder).flatMap((file) => (file.endsWith(".yaml") ? [file.slice(0, -5)] : []));

  it("are these", () => {
    expect(names).toEqual([
      "dca-trader",
      "delegated",
      "purse-top-up",
      "subscription",
      "treasury",
      "watch-only",
    ]);
  });

  it.each(names)("%s names its schema, parses, compiles, and reads the same as JSON", (name) => {
    expect(shipped(name)).toMatch(/^# yaml-language-server: \$schema=\.\/policy\.schema\.json\n/);
    const policy = compiled(name);
    expect(policy.name).toBe(name);
    expect(parsePolicy(JSON.stringify(parse(shipped(name))))).toEqual(parsePolicy(shipped(name)));
  });

  it.each<readonly [string, number, number, number, number, number, bigint]>([
    // name, per call, window in hours, in it, per day, lifetime (all in USDC), gas in gwei
    ["treasury", 500, 24, 1500, 1500, 20_000, 200_000_000n],
    ["subscription", 25, 28 * 24, 30, 30, 360, 10_000_000n],
    ["dca-trader", 1500, 24, 1500, 1500, 1500, 300_000_000n],
    ["purse-top-up", 5, 12, 10, 20, 300, 10_000_000n],
  ])("%s can lose this much", (name, perCall, hours, inWindow, perDay, lifetime, gas) => {
    const worst = worstCase(compiled(name));
    expect(worst.gas.lifetime).toBe(gas * gwei);
    expect(worst.coin.lifetime).toBe(gas * gwei);
    expect(worst.assets).toMatchObject([
      {
        asset: "USDC",
        perCall: usdc(perCall),
        window: { length: hours * 3600, amount: usdc(inWindow) },
        perDay: usdc(perDay),
        lifetime: usdc(lifetime),
      },
    ]);
    expect(worst.purses.map((purse) => purse.name)).toEqual(name === "purse-top-up" ? ["purse"] : []);
  });

  it("watch-only can lose gas, and nothing else", () => {
    expect(worstCase(compiled("watch-only"))).toMatchObject({
      assets: [],
      gas: { perOperation: 500_000n * gwei, lifetime: 20_000_000n * gwei },
      coin: { lifetime: 20_000_000n * gwei },
    });
  });

  it("watch-only is one plain grant of nothing, to nobody", () => {
    const [limit, ...others] = compiled("watch-only").limits;
    expect(others).toEqual([]);
    expect(isPlain(limit!.grant)).toBe(true);
    expect(limit!.grant).toMatchObject({
      perCall: 0n,
      perWindow: 0n,
      lifetime: 0n,
      payees: `0x${"0".repeat(64)}`,
    });
  });
});

describe("the published schema", () => {
  it("is that of the code: node scripts/generateSchema.ts writes it", () => {
    expect(published).toMatchObject(z.toJSONSchema(policySchema, { io: "input" }));
  });

  it("takes every document that ships and refuses unknown keys and wrong units, as an editor would", () => {
    const schema = z.fromJSONSchema(published);
    for (const text of [
      ...["treasury", "subscription", "dca-trader", "watch-only", "purse-top-up"].map(shipped),
      everything,
    ])
      expect(schema.safeParse(parse(text))).toMatchObject({ success: true });
    const treasury = parse(shipped("treasury")) as Record<string, unknown>;
    expect(schema.safeParse({ ...treasury, colour: "red" }).success).toBe(false);
    expect(schema.safeParse({ ...treasury, gas: { budget: "0.2", perOperation: "0.1 ETH" } }).success).toBe(
      false,
    );
  });

  it("describes every key that people write", () => {
    const bare: string[] = [];
    const walk = (schema: Record<string, unknown>, path: string) => {
      for (const [key, inside] of Object.entries(
        (schema["properties"] ?? {}) as Record<string, Record<string, unknown>>,
      )) {
        if (inside["description"] === undefined) bare.push(`${path}.${key}`);
        walk(inside, `${path}.${key}`);
      }
      for (const key of ["items", "additionalProperties"])
        if (typeof schema[key] === "object") walk(schema[key] as Record<string, unknown>, path);
    };
    walk(published, "");
    expect(bare).toEqual([]);
  });
});
