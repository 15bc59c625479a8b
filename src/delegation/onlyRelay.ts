import { Socket as Datagrams } from "node:dgram";
import { Socket } from "node:net";

import { WebSocket } from "ws";

type Connect = (this: Socket, ...given: unknown[]) => Socket;
type Target = { readonly host?: string; readonly port?: number | string; readonly path?: string };

/**
 * Leaves this process one way out: TCP to the relay's host and port. Everything else, `fetch` included, fails and is told of. It guards
 * against what the SDK does (telemetry, attestation), not against hostile code in the process.
 */
export function allowOnlyRelay(relayUrl: string, onBreach: (what: string) => void): void {
  const { hostname, port, protocol } = new URL(relayUrl);
  const relayPort = port === "" ? (protocol === "wss:" ? 443 : 80) : Number(port);
  const refuse = (what: string): never => {
    onBreach(what);
    throw new Error(`the link's process reaches for nothing but its relay, and this was ${what}`);
  };

  const prototype = Socket.prototype as unknown as { connect: Connect };
  const { connect } = prototype;
  prototype.connect = function (...given) {
    const target = targetOf(given);
    if (target.path !== undefined || target.host !== bare(hostname) || Number(target.port) !== relayPort)
      refuse(`a socket to ${target.path ?? `${target.host ?? "localhost"}:${target.port}`}`);
    return connect.apply(this, [...given]);
  };
  Datagrams.prototype.send = () => refuse("a datagram");
  globalThis.fetch = (input) =>
    Promise.resolve().then(() => refuse(`fetch ${input instanceof Request ? input.url : String(input)}`));
  // The SDK takes this one for its connection. Node's own has no pings, and would not notice a relay that fell silent.
  globalThis.WebSocket = WebSocket as unknown as typeof globalThis.WebSocket;
}

const bare = (host: string): string => host.replace(/^\[|\]$/g, "");

/** `connect(options)`, `connect(port, host)`, `connect(path)`, or what Node's own modules hand over: an array of these. */
function targetOf([first, second]: readonly unknown[]): Target {
  if (Array.isArray(first)) return targetOf(first);
  if (typeof first === "object" && first !== null) return first;
  if (typeof first === "string" && !/^\d+$/.test(first)) return { path: first };
  return { port: first as number, host: typeof second === "string" ? second : "localhost" };
}
