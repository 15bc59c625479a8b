// Installs LangGraph.js and its SQLite checkpointer into bench/runtime/langgraph, if that is still to be done, and prints where they are.
import { sideInstall } from "../../scripts/setUp/sideInstall.mjs";

await sideInstall({
  folder: ["bench", "runtime", "langgraph"],
  told: "Installing LangGraph.js for the bench (about 15 seconds the first time, 94 MB)",
  program: [],
});
