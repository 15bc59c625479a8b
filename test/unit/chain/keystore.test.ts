import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createKeystore, openKeystore } from "../../../src/chain/keystore.ts";
import { randomSecret } from "../../../src/runtime/clock.ts";

const key: Hex = `0x${"5e".repeat(32)}`;
const { address } = privateKeyToAccount(key);

/** `very-light-scrypt.json` of go-ethereum's own tests; its password is empty. */
const published = {
  address: "45dea0fb0bba44f4fcf290bba71fd57d7117cbb8",
  crypto: {
    cipher: "aes-128-ctr",
    ciphertext: "b87781948a1befd247bff51ef4063f716cf6c2d3481163e9a8f42e1f9bb74145",
    cipherparams: { iv: "dc4926b48a105133d2f16b96833abf1e" },
    kdf: "scrypt",
    kdfparams: {
      dklen: 32,
      n: 2,
      p: 1,
      r: 8,
      salt: "004244bbdc51cadda545b1cfa43cff9ed2ae88e08c61f1479dbb45410722f8f0",
    },
    mac: "39990c1684557447940d4c69e06b1b82b2aceacb43f284df65c956daf3046b85",
  },
  id: "ce541d8d-c79b-40f8-9f8c-20f59616faba",
  version: 3,
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bursar-keystore-"));
});
afterAll(() => rm(folder, { recursive: true }));
let files = 0;
const freshFile = () => join(folder, `${files++}.json`);
async function written(content: unknown): Promise<string> {
  const file = freshFile();
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}
const light = (file: string, password = "correct horse", privateKey = key) =>
  createKeystore(file, password, privateKey, randomSecret, "light");

describe("a keystore", () => {
  it("gives back the key that it was made of, for its password and no other", async () => {
    const file = freshFile();
    expect(await light(file)).toBe(address);
    expect((await openKeystore(file, "correct horse")).address).toBe(address);
    await expect(openKeystore(file, "Correct horse")).rejects.toThrow(
      "The keystore does not open with this password.",
    );
    await expect(openKeystore(file, "")).rejects.toThrow("The keystore does not open with this password.");
  });

  it("is for its owner's eyes only, names its address, and shows neither key nor password", async () => {
    const file = freshFile();
    await light(file);
    const text = await readFile(file, "utf8");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(text)).toMatchObject({ version: 3, address: address.slice(2).toLowerCase() });
    expect(text).not.toContain(key.slice(2));
    expect(text).not.toContain("horse");
  });

  it("is never overwritten", async () => {
    const file = await written("precious");
    await expect(light(file)).rejects.toThrow("The keystore file exists already and is not overwritten.");
    expect(await readFile(file, "utf8")).toBe("precious");
  });

  it("says what to do when it can't be written", async () => {
    await expect(light(join(folder, "missing", "key.json"))).rejects.toThrow(
      /Check that the folder exists and is writable/,
    );
  });

  it("of geth opens: one of go-ethereum's own tests", async () => {
    const account = await openKeystore(await written(published), "");
    expect(account.address.toLowerCase()).toBe(`0x${published.address}`);
  });

  it("takes a password in any Unicode form", async () => {
    const file = freshFile();
    await light(file, "p\u00e4ss");
    expect((await openKeystore(file, "pa\u0308ss")).address).toBe(address);
  });

  it("has another salt, another initial vector and another ciphertext each time", async () => {
    const made = [freshFile(), freshFile()];
    for (const file of made) await light(file);
    const [one, two] = await Promise.all(
      made.map(async (file) => JSON.parse(await readFile(file, "utf8")) as typeof published),
    );
    expect(one!.crypto.kdfparams.salt).not.toBe(two!.crypto.kdfparams.salt);
    expect(one!.crypto.cipherparams.iv).not.toBe(two!.crypto.cipherparams.iv);
    expect(one!.crypto.ciphertext).not.toBe(two!.crypto.ciphertext);
  });

  const kdfparams = (part: object) => ({
    ...published,
    crypto: { ...published.crypto, kdfparams: { ...published.crypto.kdfparams, ...part } },
  });
  it.each<readonly [string, unknown]>([
    ["no file of JSON", "{"],
    ["of another version", { ...published, version: 1 }],
    ["with PBKDF2", { ...published, crypto: { ...published.crypto, kdf: "pbkdf2" } }],
    ["with another cipher", { ...published, crypto: { ...published.crypto, cipher: "aes-256-gcm" } }],
    ["that asks for 1 TiB of memory", kdfparams({ n: 2 ** 30, r: 8 })],
    ["that asks for 2 GiB of memory", kdfparams({ n: 2 ** 20, r: 16 })],
    ["that asks for years of work", kdfparams({ p: 1_000_000 })],
    ["that asks for a minute of work", kdfparams({ n: 2 ** 18, r: 8, p: 16 })],
    ["with a cost beyond RFC 7914, like one example of 2014", kdfparams({ n: 2 ** 18, r: 1, p: 8 })],
    ["with a cost that is no power of two", kdfparams({ n: 262_143 })],
    ["with a negative cost", kdfparams({ n: -2 })],
    ["with a cost in floats", kdfparams({ r: 1.5 })],
    ["with a salt that is no hex", kdfparams({ salt: "salt" })],
    ["with a short key", kdfparams({ dklen: 16 })],
  ])("%s is refused before any work is done", async (_, content) => {
    const started = performance.now();
    await expect(openKeystore(await written(content), "testpassword")).rejects.toThrow(
      "The keystore can't be read.",
    );
    expect(performance.now() - started).toBeLessThan(300);
  });

  it("that was changed does not open", async () => {
    const file = freshFile();
    await light(file);
    const keystore = JSON.parse(await readFile(file, "utf8")) as typeof published;
    const first = keystore.crypto.ciphertext.startsWith("0") ? "1" : "0";
    keystore.crypto.ciphertext = first + keystore.crypto.ciphertext.slice(1);
    await expect(openKeystore(await written(keystore), "correct horse")).rejects.toThrow("does not open");
  });
});
