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

/** The keys that the schema knows at a path of a document. */
function keysAt(path: readonly PropertyKey[]): readonly string[] {
  let schema: z.core.$ZodType | undefined = policySchema;
  for (const part of [...path, undefined]) {
    let definition: Definition | undefined = schema?._zod.def as Definition | undefined;
    while (definition?.innerType) definition = definition.innerType._zod.def as Definition;
    if (part === undefined) return Object.keys(definition?.shape ?? {});
    schema = definition?.shape?.[String(part)] ?? definition?.valueType ?? definition?.element;
  }
  return [];
}

/** The key that may have been meant by one that the schema does not know at `path`. */
export function nearestKey(path: readonly PropertyKey[], written: string): string | undefined {
  return nearestWord(keysAt(path), written);
}
