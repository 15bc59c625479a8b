// The last releases of WalletConnect under an open licence. Later ones (2.21.9 on, walletkit 1.2.11 on) carry one that forbids private
// relays: an update is a decision, and this test is where it is made.
import { readFileSync } from "node:fs";
import path from "node:path";

import { describe, expect, test } from "vitest";

import { importsOf, readSources, root } from "./sources.ts";

type Locked = { readonly version: string; readonly license?: string };
const read = <T>(file: string): T => JSON.parse(readFileSync(path.join(root, file), "utf8")) as T;
const { packages } = read<{ readonly packages: Readonly<Record<string, Locked>> }>("package-lock.json");
const manifest = read<{
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly overrides: Readonly<Record<string, unknown>>;
}>("package.json");

/** Every copy that is locked, nested ones included: [name, where, entry]. */
const copies = Object.entries(packages).flatMap(([where, entry]): readonly [string, string, Locked][] => {
  const name = /(?:^|\/)node_modules\/(@(?:walletconnect|reown)\/[^/]+)$/.exec(where)?.[1];
  return name === undefined ? [] : [[name, where, entry]];
});
const pinned: Readonly<Record<string, string>> = {
  "@walletconnect/core": "2.21.8",
  "@walletconnect/sign-client": "2.21.8",
  "@walletconnect/types": "2.21.8",
  "@walletconnect/utils": "2.21.8",
  "@walletconnect/universal-provider": "2.21.8",
  "@reown/walletkit": "1.2.10",
};
const open = ["Apache-2.0", "MIT"];

describe("WalletConnect", () => {
  test("is locked at its last open releases, one copy of each", () => {
    expect(copies.length).toBeGreaterThan(Object.keys(pinned).length);
    for (const [name, version] of Object.entries(pinned)) {
      const locked = copies.filter(([copy]) => copy === name);
      expect(locked.map(([, where, entry]) => [where, entry.version])).toEqual([
        [`node_modules/${name}`, version],
      ]);
      expect({ ...manifest.dependencies, ...manifest.devDependencies }[name]).toBe(version);
    }
    for (const name of ["core", "sign-client", "types", "utils"])
      expect(manifest.overrides[`@walletconnect/${name}`]).toBe("2.21.8");
  });

  test("is under open licences, by the lockfile and by what is installed", () => {
    for (const [name, where, { license, version }] of copies) {
      expect([name, license]).toEqual([name, expect.toSatisfy((one) => open.includes(one as string))]);
      expect(read<Locked>(`${where}/package.json`)).toMatchObject({ version, license });
    }
  });

  test("is known to src/delegation only, and the wallet's side and the provider to the tests only", () => {
    const users = readSources("src", ".ts").flatMap((source) =>
      importsOf(source).map(({ from }) => ({ file: source.path, from })),
    );
    const vendors = users.filter(({ from }) => /^@(walletconnect|reown)\//.test(from));
    expect(vendors.length).toBeGreaterThan(0);
    expect(vendors.filter(({ file }) => !file.startsWith("src/delegation/"))).toEqual([]);
    expect(vendors.filter(({ from }) => !(from in manifest.dependencies))).toEqual([]);
  });
});
