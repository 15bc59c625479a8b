import { fork } from "node:child_process";
import path from "node:path";

import { privateKeyToAccount } from "viem/accounts";
import type { Address } from "viem";

import { until } from "./until.ts";
import type { WalletCommand, WalletOptions, WalletWord } from "./walletMessages.ts";

export type TestWallet = {
  readonly address: Address;
  readonly pid: number;
  /** Everything that it has said. */
  readonly words: readonly WalletWord[];
  heard<W extends WalletWord["word"]>(word: W): readonly Extract<WalletWord, { word: W }>[];
  /** Waits until it has said this word so often. */
  says(word: WalletWord["word"], times?: number, milliseconds?: number): Promise<void>;
  do(command: WalletCommand): Promise<unknown>;
  /** SIGKILL. */
  kill(): Promise<void>;
};

/** Starts the wallet's process and waits until it listens. */
export async function startWallet(options: WalletOptions): Promise<TestWallet> {
  const child = fork(path.join(import.meta.dirname, "wallet.ts"), [JSON.stringify(options)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const words: WalletWord[] = [];
  let calls = 0;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.on("message", (word: WalletWord) => words.push(word));
  const heard = <W extends WalletWord["word"]>(word: W) =>
    words.filter((one): one is Extract<WalletWord, { word: W }> => one.word === word);
  const wallet: TestWallet = {
    address: privateKeyToAccount(options.key).address,
    pid: child.pid!,
    words,
    heard,
    async says(word, times = 1, milliseconds = 30_000) {
      await until(
        () => heard(word).length >= times,
        `the wallet says ${word}; it said ${words.map((one) => one.word).join(" ")}`,
        milliseconds,
      );
    },
    async do(command) {
      const call = calls++;
      // To a killed one nothing can be sent; what is waited for then does not come.
      if (child.connected) child.send({ call, command }, () => {});
      const answer = await until(
        () => [...heard("done"), ...heard("undone")].find((word) => word.call === call),
        `the wallet does ${command.do}`,
        70_000,
      );
      if (answer.word === "undone") throw new Error(answer.why);
      return answer.value;
    },
    async kill() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
    },
  };
  await wallet.says("ready", 1, 60_000);
  return wallet;
}
