// GBNF without recursion as a regular expression: what a grammar takes, told without llama.cpp.

const grammarToken =
  /\s*(?:(?<literal>"(?:[^"\\]|\\.)*")|(?<set>\[(?:[^\]\\]|\\.)*\])|(?<repeat>\{\d+,\d+\}|\{\d+\}|\?)|(?<mark>[()|])|(?<name>[A-Za-z]\w*))/y;

/** The whole text has to match. */
export function gbnfToRegExp(grammar: string): RegExp {
  const rules = new Map(
    grammar
      .trim()
      .split("\n")
      .map((line): [string, string] => {
        const at = line.indexOf(" ::= ");
        return [line.slice(0, at), line.slice(at + 5)];
      }),
  );
  const written = new Map<string, string>();
  const write = (name: string): string => {
    const known = written.get(name);
    if (known !== undefined) return known;
    const body = rules.get(name);
    if (body === undefined) throw new Error(`The grammar has no rule ${name}.`);
    let text = "";
    // One of its own: a rule is read in the middle of another.
    const token = new RegExp(grammarToken);
    while (token.lastIndex < body.trimEnd().length) {
      const at = token.lastIndex;
      const { literal, mark, name: other, repeat, set } = token.exec(body)?.groups ?? {};
      // Nothing at all is written as no letter: generators of texts know no empty group.
      if (literal === '""') text += "a{0}";
      else if (literal !== undefined)
        text += `(?:${unescaped(literal.slice(1, -1)).replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")})`;
      else if (set !== undefined) text += set;
      else if (repeat !== undefined) text += repeat;
      else if (mark !== undefined) text += mark === "(" ? "(?:" : mark;
      else if (other !== undefined) text += write(other);
      else throw new Error(`No GBNF at ${body.slice(at, at + 20)}.`);
    }
    const whole = `(?:${text})`;
    written.set(name, whole);
    return whole;
  };
  return new RegExp(`^${write("root")}$`);
}

const unescaped = (text: string) =>
  text.replace(/\\(x([0-9A-Fa-f]{2})|.)/g, (_all, one: string, hex?: string) =>
    hex === undefined ? (one === "n" ? "\n" : one) : String.fromCharCode(parseInt(hex, 16)),
  );
