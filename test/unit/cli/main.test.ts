import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const main = join(import.meta.dirname, "../../../src/cli/main.ts");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function bursar(...words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--conditions=source", main, ...words], {
    cwd: folder,
    encoding: "utf8",
    input: "",
  });
  return { status, stdout, stderr };
}

describe("bursar", () => {
  it("shows what it can do, and the usage of each command", () => {
    const general = bursar("--help");
    expect(general.status).toBe(0);
    for (const command of ["run", "chain", "keystore"]) expect(general.stdout).toContain(command);
    expect(bursar("keystore", "new", "--help").stdout).toContain("password-file");
    expect(bursar("relay", "--help").stdout).toMatch(/relay for development.*nothing of value/is);
  });

  it("says nothing and finishes when nobody reads on", async () => {
    const child = spawn(process.execPath, ["--conditions=source", main, "doctor"], { cwd: folder });
    let errors = "";
    child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
    child.stdout.destroy();
    const [status] = (await once(child, "close")) as [number | null];
    expect([status, errors]).toEqual([1, expect.not.stringContaining("EPIPE")]);
  });

  it("refuses a command it does not know, in one line and a hint", () => {
    const { status, stdout, stderr } = bursar("pay", "everything");
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^Unknown command: bursar pay\n.*`bursar --help` shows/);
  });

  it("names a command by all its words, and the usage that lists what is missing", () => {
    expect(bursar("keystore", "new", "--help").stdout).toContain("USAGE bursar keystore new ");
    expect(bursar("keystore").stderr).toBe(
      "`bursar keystore` needs a command.\n`bursar keystore --help` shows what there is.\n",
    );
    expect(bursar("keystore", "new").stderr).toMatch(/Try: bursar keystore new --help\n$/);
  });

  it("refuses an option that it does not know, and does nothing", () => {
    const { status, stdout, stderr } = bursar("keystore", "new", "key.json", "--pasword-file", "short");
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      "`bursar keystore new` has no option --pasword-file.\nDid you mean --password-file? `bursar keystore new --help` shows what there is.\n",
    );
  });

  it("writes an error of its own as a sentence and a remedy, without a stack", () => {
    expect(bursar("chain", "--port", "99999")).toEqual({
      status: 1,
      stdout: "",
      stderr: '"99999" is not a port.\nUse a number from 0 to 65535.\n',
    });
  });

  it("writes an error of its own as one JSON document, when asked for JSON", () => {
    const { status, stdout, stderr } = bursar("chain", "--port", "x", "--json");
    expect([status, stderr]).toEqual([1, ""]);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        name: "BaseError",
        message: '"x" is not a port.',
        remedy: "Use a number from 0 to 65535.",
        facts: {},
        retry: "never",
      },
    });
  });

  it("makes no keystore with a short password, nor without a terminal to ask on", () => {
    writeFileSync(join(folder, "short"), "seven77\n");
    expect(bursar("keystore", "new", "key.json", "--password-file", "short").stderr).toMatch(
      /shorter than 8 characters/,
    );
    expect(bursar("keystore", "new", "key.json").stderr).toMatch(/there is no terminal to ask on/);
  });

  it("says of a missing word in JSON, too, when asked for JSON", () => {
    const { status, stdout, stderr } = bursar("tell", "--json");
    expect([status, stderr]).toEqual([1, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { name: "CLIError", remedy: "Try: bursar tell --help" },
    });
  });

  it("says where an agent's file has to lie that does not find this package", () => {
    writeFileSync(
      join(folder, "stray.ts"),
      'import { treasurer } from "bursar";\nexport default treasurer;\n',
    );
    const { status, stderr } = bursar("run", "stray.ts");
    expect(status).toBe(1);
    expect(stderr).toMatch(/Put the file into a folder of the clone/);
  });

  it("says which agent's file is missing", () => {
    const { status, stderr } = bursar("run", "missing.ts");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^The agent's file can't be loaded\./);
  });
});
