import type * as z from "zod";

import { nearestWord } from "../core/nearestWord.ts";
import { policySchema } from "./schema.ts";

/** The parts of a schema's definition that lead to what is inside of it. */
type Definition = {
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly innerType?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly element?: z.core.$ZodType;
};

/** The keys that a schema knows at a path: one of an object, as only an object can have a key that it does not know. */
function keysAt(schema: z.core.$ZodType, [part, ...rest]: readonly PropertyKey[]): readonly string[] {
  let definition = schema._zod.def as Definition;
  while (definition.innerType) definition = definition.innerType._zod.def as Definition;
  if (part === undefined) return Object.keys(definition.shape!);
  return keysAt(definition.shape?.[String(part)] ?? definition.valueType ?? definition.element!, rest);
}

/** The key that may have been meant by one that the schema does not know at `path`. */
export function nearestKey(path: readonly PropertyKey[], written: string): string | undefined {
  return nearestWord(keysAt(policySchema, path), written);
}
