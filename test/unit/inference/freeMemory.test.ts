import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { freeMemory } from "../../../src/inference/freeMemory.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-memory-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
/** Groups as Linux shows them: path below the root → limit, use, and what of it is cached files. */
function linux(
  self: string,
  groups: Readonly<Record<string, readonly [max: string, current: number, cached: number]>>,
) {
  const root = join(folder, String(++made));
  for (const [path, [max, current, cached]] of Object.entries(groups)) {
    const group = join(root, path);
    mkdirSync(group, { recursive: true });
    writeFileSync(join(group, "memory.max"), `${max}\n`);
    writeFileSync(join(group, "memory.current"), `${current}\n`);
    writeFileSync(join(group, "memory.stat"), `anon 7\ninactive_file ${cached}\nactive_file 3\n`);
  }
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "self"), self);
  return { self: join(root, "self"), groups: root };
}

const unlimited = await freeMemory({ self: join(folder, "none"), groups: folder });

test("a limit counts, less what is used, and cached files are given back", async () => {
  expect(await freeMemory(linux("0::/app\n", { app: ["1000", 700, 200] }))).toBe(500);
  expect(await freeMemory(linux("0::/app\n", { app: ["1000", 1200, 0] }))).toBe(0);
});

test("the narrowest of the groups around counts, and that of a container's root", async () => {
  const groups = { "": ["max", 0, 0], outer: ["800", 500, 0], "outer/inner": ["1000", 100, 0] } as const;
  expect(await freeMemory(linux("0::/outer/inner\n", groups))).toBe(300);
  expect(await freeMemory(linux("0::/\n", { "": ["900", 100, 0] }))).toBe(800);
});

test("no limit, an old kernel or another system: what the system has", async () => {
  expect(unlimited).toBeGreaterThan(1_000_000);
  for (const places of [
    linux("0::/app\n", { app: ["max", 700, 0] }),
    linux("4:memory:/app\n", { app: ["1000", 700, 0] }),
    linux("0::/gone\n", {}),
  ])
    expect(await freeMemory(places)).toBeGreaterThan(1_000_000);
});
