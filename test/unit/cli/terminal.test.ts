import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "bursar-terminal-"));
afterAll(() => rmSync(folder, { recursive: true }));

const u32 = (value: number) => new Uint8Array(new Uint32Array([value]).buffer);
const u64 = (value: number) => new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
const text = (words: string) => [u64(Buffer.byteLength(words)), Buffer.from(words)];

/** A model file's header whose licence goes up some lines, wipes the hash and writes another one. */
const file = join(folder, "model.gguf");
const licence = "MIT\u001b[8A\r\u001b[2Ksha256:       0x00\u001b[8B\r\u001b]0;title\u0007";
writeFileSync(
  file,
  Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(0),
    u64(2),
    ...[
      ["general.architecture", "llama"],
      ["general.license", licence],
    ].flatMap(([key, value]) => [...text(key!), u32(8), ...text(value!)]),
    new Uint8Array(64),
  ]),
);

test.each([
  ["inspect", file],
  ["add", file, "--name", "hostile", "--store", join(folder, "store")],
])("what a stranger's model says of itself does not move the cursor (model %s)", (...words) => {
  const main = join(import.meta.dirname, "../../../src/cli/main.ts");
  const flags = ["--disable-warning=ExperimentalWarning", "--conditions=source"];
  const { stderr, stdout } = spawnSync(process.execPath, [...flags, main, "model", ...words], {
    encoding: "utf8",
  });
  expect(stdout).toContain("MIT");
  expect(stdout + stderr).not.toMatch(/(?!\n)\p{Cc}/u);
});
