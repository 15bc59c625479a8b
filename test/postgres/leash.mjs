// Runs a program until it ends or until this one's parent is gone, killed or not: its standard input closes then.
import { spawn } from "node:child_process";

const [as, program, ...args] = process.argv.slice(2);
const child = spawn(program, args, { ...JSON.parse(as), stdio: ["ignore", "ignore", "inherit"] });
child.on("exit", (code) => process.exit(code ?? 1));
// Not SIGTERM, at which Postgres waits for its clients.
const stop = () => child.kill("SIGINT");
process.stdin.on("end", stop).resume();
process.on("SIGTERM", stop);
