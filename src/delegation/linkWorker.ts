// The process that speaks WalletConnect. It holds none of our keys and reads no environment; it opens one socket, to the relay, and
// writes no file: what it has to keep goes to its parent. It lives no longer than its parent. Whatever goes wrong in it ends it.

import type { FromLink } from "./linkMessages.ts";

process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
// Ctrl-C goes to the whole process group. When to stop is the parent's decision.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

const send = (message: FromLink): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
};

let ending = false;
/** The SDK leaves rejections without a handler when something expires, and errors without a listener when the relay refuses it. */
function end(error: unknown): void {
  if (ending) return;
  ending = true;
  const why = (error instanceof Error ? error.message : JSON.stringify(error) || "nothing said").slice(
    0,
    400,
  );
  const last: FromLink = { type: "fatal", refused: /\bcode: 3000\b/.test(why), why };
  if (process.connected) process.send?.(last, undefined, undefined, () => process.exit(1));
  setTimeout(() => process.exit(1), 200);
}
process.on("uncaughtException", end);
process.on("unhandledRejection", end);

const starting = import("./runLink.ts").then(({ runLink }) => runLink(send, end));
process.on("message", (raw) => void starting.then((hear) => hear(raw)).catch(end));
if (process.connected) void starting.then(() => send({ type: "booted" }));
else process.kill(process.pid, "SIGKILL");
