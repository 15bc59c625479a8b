import { forTerminal } from "./forTerminal.ts";

/** A stranger's words within a line of the program's own: without line breaks nobody can write a line below it that looks like one more of ours. */
export const oneLine = (text: string): string => forTerminal(text).replaceAll("\n", " ");
