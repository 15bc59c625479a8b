import { defineCommand } from "citty";

import type { Command } from "../runtime/triggers/commands.ts";

const args = {
  state: { type: "string", description: "The agent's state folder; from the configuration when not given." },
  config: { type: "string", description: "Configuration file.", default: "bursar.json" },
  agent: {
    type: "string",
    description: "Name of the agent, where several run; pause and resume are for all of them without it.",
    valueHint: "name",
  },
  json: { type: "boolean", description: "One JSON document on stdout.", default: false },
} as const;

/** How long a running agent may take to answer; between two decisions it looks at once. */
const waitMs = 5000;

export const pauseCommand = commandOf(
  "pause",
  "Stops new decisions; the one under way is finished, triggers wait.",
);
export const resumeCommand = commandOf("resume", "Lets a paused agent decide again.");

export const cancelCommand = defineCommand({
  meta: {
    name: "cancel",
    description:
      "Gives up the decision under way: nothing more is signed or sent for it, and it is not decided again. What was sent may still be included until its time is over, five minutes at most; `bursar freeze` stops that, too.",
  },
  args: {
    decision: {
      type: "positional",
      description: "Only if it is this one, by id; without, whichever is under way.",
      required: false,
    },
    ...args,
  },
  run: ({ args: given }) => send({ command: "cancel", decision: given.decision, ...whom(given) }, given),
});

export const tellCommand = defineCommand({
  meta: { name: "tell", description: "Wakes a running agent with words of the operator." },
  args: {
    text: { type: "positional", description: "What to tell it.", required: true },
    ...args,
  },
  run: ({ args: given }) => send({ command: "tell", text: given.text, ...whom(given) }, given),
});

function commandOf(command: "pause" | "resume", description: string) {
  return defineCommand({
    meta: { name: command, description },
    args,
    run: ({ args: given }) => send({ command, ...whom(given) }, given),
  });
}

type Given = {
  readonly state?: string | undefined;
  readonly config: string;
  readonly agent?: string | undefined;
  readonly json: boolean;
};

const whom = ({ agent }: Given) => (agent === undefined ? {} : { agent });

async function send(command: Command, { config, json, state }: Given): Promise<void> {
  const [{ sendToAgent }, { readConfig }] = await Promise.all([
    import("../runtime/sendToAgent.ts"),
    import("../runtime/config.ts"),
  ]);
  const taken = await sendToAgent(state ?? (await readConfig(config)).state, command, waitMs);
  process.stdout.write(
    json
      ? `${JSON.stringify({ ...command, taken })}\n`
      : taken
        ? "Taken in.\n"
        : "Left for the agent: it is busy with a decision or does not run now, and takes it in before the next one.\n",
  );
}
