export type MethodResult = {
  /** `dkim`, `spf`, `dmarc`, … lower case. */
  readonly method: string;
  readonly result: string;
  /** `header.from`, `smtp.mailfrom`, … lower case names; values as written. */
  readonly properties: Readonly<Record<string, string>>;
};

export type AuthenticationResults = { readonly server: string; readonly results: readonly MethodResult[] };

/** More methods than any server reports; a bound for hostile headers. */
const maxResults = 64;

/** An Authentication-Results header value (RFC 8601 §2.2), or undefined where it doesn't follow the grammar. */
export function parseAuthenticationResults(value: string): AuthenticationResults | undefined {
  const parts = split(value);
  const head = parts?.[0]?.trim().split(/\s+/) ?? [];
  // The version is optional; a reader must not guess at one it doesn't know.
  if (parts === undefined || !head[0] || head.length > 2 || (head[1] !== undefined && head[1] !== "1"))
    return undefined;
  if (parts.length > maxResults) return undefined;
  const results: MethodResult[] = [];
  for (const part of parts.slice(1)) {
    if (part.trim() === "" || part.trim().toLowerCase() === "none") continue;
    // Blanks become one before they are looked for beside a sign: the other way round a header of blanks is quadratic.
    const words = part.replace(/\s+/g, " ").replace(/ ?= ?/g, "=").trim().split(" ");
    const [, method, result] = /^([a-z0-9-]+)(?:\/\d+)?=([a-z]+)$/i.exec(words[0] ?? "") ?? [];
    if (method === undefined || result === undefined) return undefined;
    const properties: Record<string, string> = {};
    for (const word of words.slice(1)) {
      const [, name, property] = /^([a-z]+(?:\.[a-z0-9-]+)?)=(.*)$/i.exec(word) ?? [];
      if (name === undefined || property === undefined) return undefined;
      // Two values for one property: whichever is meant, it isn't clear.
      if (Object.hasOwn(properties, name.toLowerCase())) return undefined;
      properties[name.toLowerCase()] = property;
    }
    results.push(Object.freeze({ method: method.toLowerCase(), result: result.toLowerCase(), properties }));
  }
  return Object.freeze({ server: head[0].toLowerCase(), results: Object.freeze(results) });
}

/** Splits at `;`, takes comments out and quotes off; blanks inside quotes become `_` so that words stay whole. */
function split(value: string): readonly string[] | undefined {
  const parts: string[] = [];
  let part = "";
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < value.length; at++) {
    const character = value[at] ?? "";
    if (character === "\\" && (quoted || depth > 0)) {
      at++;
      if (quoted) part += "_";
    } else if (quoted) {
      if (character === '"') quoted = false;
      else part += /[\s;=]/.test(character) ? "_" : character;
    } else if (character === "(") depth++;
    else if (depth > 0) {
      if (character === ")") depth--;
      if (depth === 0) part += " ";
    } else if (character === '"') quoted = true;
    else if (character === ")") return undefined;
    else if (character === ";") {
      parts.push(part);
      part = "";
    } else part += character;
  }
  if (quoted || depth > 0) return undefined;
  parts.push(part);
  return parts;
}
