import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What the server has at a path, and how it misbehaves. */
export type Served = {
  readonly body?: Buffer;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Quotes included; null: none is sent. */
  readonly etag?: string | null;
  /** Says how long the body is. */
  readonly withLength?: boolean;
  /** Answers ranges. */
  readonly ranges?: boolean;
  /** Cuts the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Falls silent after so many bytes of the body. */
  readonly stallAfter?: number;
};
export type Asked = { readonly path: string; readonly headers: IncomingMessage["headers"] };

export type ModelServer = {
  readonly url: string;
  readonly asked: Asked[];
  /** A path without a query answers every query. Called with `undefined`, the path is gone. */
  serve(path: string, served: Served | undefined): void;
  close(): Promise<void>;
};

/** A server of files on the loopback that can do what real ones do on bad days. */
export async function startModelServer(): Promise<ModelServer> {
  const files = new Map<string, Served>();
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? "/", "http://127.0.0.1");
    const path = decodeURIComponent(pathname);
    asked.push({ path, headers: request.headers });
    answer(files.get(`${path}${search}`) ?? files.get(path), request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    serve: (path, served) => void (served ? files.set(path, served) : files.delete(path)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(served: Served | undefined, request: IncomingMessage, response: ServerResponse): void {
  if (!served) return void response.writeHead(404).end("not found");
  const { body = Buffer.alloc(0), ranges = true, withLength = true } = served;
  const etag = served.etag === undefined ? '"first"' : served.etag;
  const from = ranges ? rangeOf(request, etag) : 0;
  if (from >= body.length && from > 0)
    return void response.writeHead(416, { "content-range": `bytes */${body.length}` }).end();
  const rest = body.subarray(from);
  response.writeHead(served.status ?? (from > 0 ? 206 : 200), {
    "content-type": "application/octet-stream",
    ...(withLength ? { "content-length": String(rest.length) } : {}),
    ...(etag === null ? {} : { etag }),
    ...(from > 0 ? { "content-range": `bytes ${from}-${body.length - 1}/${body.length}` } : {}),
    ...served.headers,
  });
  const stop = served.cutAfter ?? served.stallAfter;
  if (stop === undefined) return void response.end(rest);
  response.write(rest.subarray(0, Math.max(0, stop - from)), () => {
    if (served.cutAfter !== undefined) response.destroy();
  });
}

/** RFC 9110: the range counts only when `If-Range` names this version. */
function rangeOf({ headers }: IncomingMessage, etag: string | null): number {
  const [, first] = /^bytes=(\d+)-$/.exec(headers.range ?? "") ?? [];
  const wished = headers["if-range"];
  return first === undefined || (wished !== undefined && wished !== etag) ? 0 : Number(first);
}
