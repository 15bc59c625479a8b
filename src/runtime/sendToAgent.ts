import { now, randomSecret, sleep } from "./clock.ts";
import { sendCommand, type Command } from "./triggers/commands.ts";

/**
 * Gives a command to the agent whose journal lies in a state folder.
 *
 * @returns whether it was taken in within `waitMs`; else it waits there
 * @throws CommandError
 */
export const sendToAgent = (state: string, command: Command, waitMs: number): Promise<boolean> =>
  sendCommand(state, command, { now, sleep, chance: () => randomSecret().slice(2, 18), waitMs });
