import type { Step } from "../house.ts";
import { infer } from "./infer.ts";
import { judge } from "./judge.ts";
import { observe } from "./observe.ts";
import { parse } from "./parse.ts";
import { record } from "./record.ts";
import { seal } from "./seal.ts";
import { send } from "./send.ts";
import { settle } from "./settle.ts";
import { sign } from "./sign.ts";

/** The steps by the names that the decision machine uses. */
export const steps: Readonly<Record<string, Step>> = {
  observe,
  infer,
  parse,
  judge,
  seal,
  sign,
  send,
  settle,
  record,
};
