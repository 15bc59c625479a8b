import { parseAction, type Action } from "../../core/action.ts";
import type { Inference } from "../../core/inference.ts";
import type { Step } from "../house.ts";

/** What `infer` hands on: a recorded inference, or why there is none. */
export type Thought = { readonly inference: Inference } | { readonly tooLong: string };

/** Step 3. Text → Action by strict schema. Anything else becomes a hold, recorded as such. */
export const parse: Step = {
  when: "now",
  run({ output }) {
    const thought = output("infer") as unknown as Thought;
    const action: Action =
      "tooLong" in thought ? { action: "hold", reason: "too-long" } : parseAction(thought.inference.text);
    return {
      value: action,
      entry: { kind: "parsed", body: { action: action } },
    };
  },
};
