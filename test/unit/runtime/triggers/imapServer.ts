import { once } from "node:events";
import { createRequire } from "node:module";
import type { AddressInfo, Socket } from "node:net";

// An IMAP server that nobody here wrote (hoodiecrow-imap), in this process: it keeps its mails in memory.

type Stored = { readonly raw: string; readonly flags?: string[]; readonly internaldate?: string };
type Mailbox = { uidvalidity: number; messages: { uid: number; raw: string; flags: string[] }[] };
type Hoodiecrow = {
  readonly server: {
    listen(port: number, host: string, done: () => void): void;
    address(): AddressInfo;
    on(event: "connection" | "secureConnection", listener: (socket: Socket) => void): void;
  };
  close(done: () => void): void;
  getMailbox(path: string): Mailbox;
  appendMessage(path: string, flags: string[], internaldate: string, raw: string): void;
};
const hoodiecrow = createRequire(import.meta.url)("hoodiecrow-imap") as (options: object) => Hoodiecrow;

export type ImapServer = Awaited<ReturnType<typeof serveMail>>;

/** Listens on loopback; user `testuser` with `testpass`. */
export async function serveMail(
  mails: readonly Stored[] = [],
  { port = 0, ...options }: { port?: number; secureConnection?: boolean; credentials?: object } = {},
) {
  const storage = { INBOX: { messages: [...mails] } };
  const server = hoodiecrow({ plugins: ["IDLE", "ID", "UNSELECT"], storage, ...options });
  const sockets = new Set<Socket>();
  server.server.on("connection", (socket) => {
    sockets.add(socket);
    // A client that hangs up is its business.
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.server.listen(port, "127.0.0.1", resolve));
  return {
    port: server.server.address().port,
    inbox: () => server.getMailbox("INBOX"),
    deliver: (raw: string, at: Date) => server.appendMessage("INBOX", [], imapDate(at), raw),
    hangUp: () => sockets.forEach((socket) => socket.destroy()),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(resolve));
      for (const socket of sockets) {
        if (!socket.destroyed) {
          const gone = once(socket, "close");
          socket.destroy();
          await gone;
        }
      }
      await closed;
    },
  };
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `date-time` of RFC 9051 §9. */
export function imapDate(at: Date): string {
  const two = (part: number) => String(part).padStart(2, "0");
  const day = `${two(at.getUTCDate())}-${months[at.getUTCMonth()]}-${at.getUTCFullYear()}`;
  return `${day} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`;
}
