// Tries every way out of a process that may only talk to the relay at argv[2], and prints what became of each.
import dgram from "node:dgram";
import http from "node:http";
import net from "node:net";
import tls from "node:tls";

import { allowOnlyRelay } from "../../../src/delegation/onlyRelay.ts";

const [, , relayUrl = "", otherPort = ""] = process.argv;
const breaches: string[] = [];
allowOnlyRelay(relayUrl, (what) => breaches.push(what));

const open = (url: string): Promise<unknown> =>
  new Promise((resolve, reject) => Object.assign(new WebSocket(url), { onopen: resolve, onerror: reject }));
const tries: Record<string, () => unknown> = {
  fetch: () => fetch(`http://127.0.0.1:${otherPort}/`),
  http: () =>
    new Promise((resolve, reject) => http.get(`http://127.0.0.1:${otherPort}/`, resolve).on("error", reject)),
  net: () => net.connect(Number(otherPort), "127.0.0.1"),
  netByName: () => net.connect({ port: Number(new URL(relayUrl).port), host: "localhost" }),
  pipe: () => net.connect("/tmp/somewhere.sock"),
  tls: () => tls.connect(Number(otherPort), "127.0.0.1"),
  datagram: () => dgram.createSocket("udp4").send("x", 9, "127.0.0.1"),
  webSocket: () => open(`ws://127.0.0.1:${otherPort}/`),
  // Turned away for want of a token, but reached.
  relay: () => open(`${relayUrl}/?useOnCloseEvent=true`),
};
const results: Record<string, string> = {};
for (const [name, attempt] of Object.entries(tries))
  try {
    await attempt();
    results[name] = "let out";
  } catch {
    results[name] = "refused";
  }
process.stdout.write(JSON.stringify({ results, breaches: breaches.length }), () => process.exit(0));
