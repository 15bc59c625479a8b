import { createServer, type Server } from "node:http";

import { BaseError } from "../core/errors.ts";
import { startLocalChain, type LocalChain, type LocalChainOptions } from "./localChain.ts";

/** The port that a server was told to use is taken. */
export class PortInUseError extends BaseError {
  override readonly name = "PortInUseError";
  constructor(port: number) {
    super(`Port ${port} on this machine is in use.`, {
      remedy: "Stop the program that uses it, or choose another with --port (0 takes any free one).",
      facts: { port },
    });
  }
}

/** Largest request body that is read, in bytes. */
const bodyLimit = 4 * 1024 * 1024;

export type ServedChain = { readonly url: string; readonly chain: LocalChain; close(): Promise<void> };

/** Serves a local chain as JSON-RPC over HTTP on loopback only. Port 0 takes any free one. */
export async function serveChain(
  options: LocalChainOptions & { readonly port?: number } = {},
): Promise<ServedChain> {
  const server = createServer();
  const port = await listen(server, options.port ?? 0);
  const starting = startLocalChain(options);
  // Whoever asks while the chain comes up waits for it: a request without a handler would hang for ever.
  server.on("request", (request, response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > bodyLimit) request.destroy();
      else chunks.push(chunk);
    });
    request.on("end", () => {
      void starting
        .then((chain) => answer(chain, Buffer.concat(chunks).toString("utf8")))
        .then(
          (text) => {
            response.writeHead(200, { "content-type": "application/json" });
            response.end(text);
          },
          () => request.destroy(),
        );
    });
  });
  const chain = await starting.catch((error: unknown) => {
    server.close();
    server.closeAllConnections();
    throw error;
  });
  return {
    url: `http://127.0.0.1:${port}`,
    chain,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await chain.close();
    },
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "EADDRINUSE" ? new PortInUseError(port) : error),
    );
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : port);
    });
  });
}

type RpcRequest = { readonly id?: unknown; readonly method?: unknown; readonly params?: unknown };

async function answer(chain: LocalChain, body: string): Promise<string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32700, message: "parse error" } });
  }
  return JSON.stringify(
    Array.isArray(parsed)
      ? await Promise.all(parsed.map((one) => answerOne(chain, one as RpcRequest)))
      : await answerOne(chain, parsed as RpcRequest),
  );
}

async function answerOne(chain: LocalChain, request: RpcRequest): Promise<object> {
  const id = request.id ?? null;
  if (typeof request.method !== "string")
    return { jsonrpc: "2.0", id, error: { code: -32600, message: "invalid request" } };
  try {
    const result = await chain.request({
      method: request.method,
      ...(request.params === undefined ? {} : { params: request.params }),
    });
    return { jsonrpc: "2.0", id, result: result ?? null };
  } catch (error) {
    const { code, data, message } = error as { code?: unknown; data?: unknown; message?: unknown };
    const revert = typeof data === "string" ? data : (data as { data?: unknown } | undefined)?.data;
    return {
      jsonrpc: "2.0",
      id,
      error: {
        code: typeof code === "number" ? code : -32603,
        message: String(message),
        ...(typeof revert === "string" ? { data: revert } : {}),
      },
    };
  }
}
