// Installs a Postgres server and a client into test/postgres/server, if that is still to be done, and prints where they are.
import { sideInstall } from "../../scripts/setUp/sideInstall.mjs";

await sideInstall({
  folder: ["test", "postgres", "server"],
  told: "Installing Postgres for its test (about 20 seconds the first time, 61 MB)",
  program: [],
});
