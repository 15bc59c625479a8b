// The environment of every program the set-up starts, and the way to hand this process over to one.
import { spawn } from "node:child_process";
import path from "node:path";
import { inRoot, pathKey } from "./files.mjs";

export function environment(node) {
  const key = pathKey();
  const folders = [path.dirname(node), inRoot("node_modules", ".bin"), process.env[key] || ""];
  return {
    ...process.env,
    [key]: folders.join(path.delimiter),
    HARDHAT_DISABLE_TELEMETRY: "true", // no question, no report
    NODE_LLAMA_CPP_SKIP_DOWNLOAD: "true", // prebuilt binaries only: never fetch or compile llama.cpp
  };
}

/** Replaces this process where Node can do that, so that signals and exit codes need no relay; else relays them. */
export function become(file, args, env) {
  if (typeof process.execve === "function" && process.platform !== "win32")
    process.execve(file, [file, ...args], env);
  const child = spawn(file, args, { env, stdio: "inherit", shell: file.endsWith(".cmd") });
  // A terminal sends Ctrl-C to the child as well; relaying it would make it arrive twice.
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => (signal === "SIGINT" && atTerminal ? undefined : child.kill(signal)));
  }
  child.on("error", (error) => {
    process.stderr.write(`Could not start ${file}: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
