import { findAssemblyMutants } from "./findAssemblyMutants.ts";
import { childrenOf, isNode, neighbours, rangeOf, type AstNode, type Mutant, type Range } from "./mutant.ts";

const swaps: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<"],
  ">=": [">", "<="],
  "==": ["!="],
  "!=": ["=="],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "**": ["*"],
  "<<": [">>"],
  ">>": ["<<"],
  "&": ["|"],
  "|": ["&", "^"],
  "^": ["&"],
  "&&": ["||"],
  "||": ["&&"],
};
const isLogical = (operator: string): boolean => operator === "&&" || operator === "||";

/** What holds no code that runs. */
const silent = new Set([
  "PragmaDirective",
  "ImportDirective",
  "UsingForDirective",
  "StructDefinition",
  "EnumDefinition",
  "EventDefinition",
  "ErrorDefinition",
  "StructuredDocumentation",
  "ParameterList",
  "OverrideSpecifier",
  "InheritanceSpecifier",
  "IdentifierPath",
]);

/** All mutants of a file, in the order of the source. */
export function findMutants(file: string, source: string, ast: AstNode): readonly Mutant[] {
  const found = new Finder(file, source);
  found.visit(ast);
  // Inline assembly takes constants only as they are.
  const direct = inAssembly(ast);
  const fixed = constantsOf(ast)
    .filter(({ id }) => direct.has(id as number))
    .map(rangeOf);
  return found.mutants
    .map((mutant) =>
      fixed.some((range) => covers(range, mutant.at)) ? { ...mutant, place: "alone" as const } : mutant,
    )
    .sort((a, b) => a.at.start - b.at.start || a.at.end - b.at.end);
}

export const covers = (outer: Range, inner: Range): boolean =>
  outer.start <= inner.start && inner.end <= outer.end;

/** One for each function, which does nothing but fail. Where nobody minds, nobody runs the function. */
export function findBodies(file: string, ast: AstNode): readonly Mutant[] {
  const body = ast.nodeType === "FunctionDefinition" ? ast["body"] : null;
  const below = childrenOf(ast).flatMap((child) => findBodies(file, child));
  if (!isNode(body)) return below;
  const at = rangeOf(body);
  const text = "{ assembly { invalid() } }";
  return [{ file, operator: "function fails", at, text, place: "statement", site: at }, ...below];
}

function constantsOf(node: AstNode): readonly AstNode[] {
  const below = childrenOf(node).flatMap(constantsOf);
  return node.nodeType === "VariableDeclaration" && node["constant"] === true ? [node, ...below] : below;
}

/** Declarations that inline assembly refers to. */
function inAssembly(node: AstNode): ReadonlySet<number> {
  const all = new Set<number>();
  const collect = (part: AstNode): void => {
    if (part.nodeType === "InlineAssembly")
      for (const { declaration } of part["externalReferences"] as readonly { declaration: number }[])
        all.add(declaration);
    for (const child of childrenOf(part)) collect(child);
  };
  collect(node);
  return all;
}

class Finder {
  readonly mutants: Mutant[] = [];
  readonly #file: string;
  readonly #source: string;

  constructor(file: string, source: string) {
    this.#file = file;
    this.#source = source;
  }

  visit(node: AstNode): void {
    if (silent.has(node.nodeType)) return;
    const expression = (key: string): void => {
      const value = node[key];
      if (isNode(value)) this.#expression(value, []);
    };
    switch (node.nodeType) {
      case "InlineAssembly":
        this.mutants.push(...findAssemblyMutants(this.#file, this.#source, node["AST"] as AstNode));
        return;
      case "ModifierInvocation":
        if (node["kind"] === "modifierInvocation") this.#add("modifier removed", rangeOf(node), "", "alone");
        return;
      case "VariableDeclaration":
        expression("value");
        return;
      case "VariableDeclarationStatement":
        expression("initialValue");
        return;
      case "ExpressionStatement":
        this.#statement(node);
        return;
      case "EmitStatement":
      case "RevertStatement":
        this.#remove(node);
        for (const argument of childrenOf(childrenOf(node)[0]!).slice(0, -1)) this.#expression(argument, []);
        return;
      case "IfStatement":
        this.#if(node);
        return;
      case "ForStatement":
        // Nothing of the head but the condition can carry a switch; the rest is numbers of a loop.
        if (isNode(node["initializationExpression"])) this.visit(node["initializationExpression"]);
        expression("condition");
        this.visit(node["body"] as AstNode);
        return;
      case "WhileStatement":
        this.#add("loop skipped", rangeOf(node["condition"] as AstNode), "false", "expression");
        expression("condition");
        this.visit(node["body"] as AstNode);
        return;
      case "Return":
        this.#return(node);
        return;
      default:
        for (const child of childrenOf(node)) this.visit(child);
    }
  }

  #add(operator: string, at: Range, text: string, place: Mutant["place"], site: Range = at): void {
    if (this.#text(at) !== text) this.mutants.push({ file: this.#file, operator, at, text, place, site });
  }

  #text({ start, end }: Range): string {
    return this.#source.slice(start, end);
  }

  /** With the semicolon, which is no part of the node. */
  #remove(node: AstNode): void {
    const { start, end } = rangeOf(node);
    const whole = { start, end: this.#source[end] === ";" ? end + 1 : end };
    this.#add("statement removed", whole, ";", "statement");
  }

  #statement(node: AstNode): void {
    this.#remove(node);
    const inner = node["expression"] as AstNode;
    const { start, end } = rangeOf(node);
    const site = { start, end: end + 1 };
    if (inner.nodeType === "Assignment") {
      const operator = inner["operator"] as string;
      for (const swap of operator === "=" ? [] : (swaps[operator.slice(0, -1)] ?? []))
        this.#swap(inner["leftHandSide"], inner["rightHandSide"], operator, `${swap}=`, "statement", site);
      this.#expression(inner["rightHandSide"] as AstNode, []);
    } else if (inner.nodeType === "UnaryOperation" && /^(\+\+|--)$/.test(inner["operator"] as string)) {
      const other = inner["operator"] === "++" ? "--" : "++";
      const at = rangeOf(inner);
      this.#add(
        "step turned",
        at,
        `${other}${this.#text(rangeOf(inner["subExpression"] as AstNode))}`,
        "statement",
        site,
      );
    } else {
      this.#expression(inner, []);
    }
  }

  #if(node: AstNode): void {
    const condition = node["condition"] as AstNode;
    const at = rangeOf(condition);
    const then = node["trueBody"] as AstNode;
    this.#add("condition negated", at, `!(${this.#text(at)})`, "expression");
    const block = then.nodeType === "Block" ? (then["statements"] as readonly AstNode[]) : [then];
    if (block.length === 1 && block[0]!.nodeType === "RevertStatement") {
      this.#add("check removed", at, "false", "expression");
      for (const argument of childrenOf(childrenOf(block[0]!)[0]!).slice(0, -1))
        this.#expression(argument, []);
    } else {
      this.visit(then);
    }
    this.#expression(condition, []);
    if (isNode(node["falseBody"])) this.visit(node["falseBody"]);
  }

  #return(node: AstNode): void {
    const value = node["expression"];
    if (!isNode(value)) return;
    const parts =
      value.nodeType === "TupleExpression"
        ? (value["components"] as readonly AstNode[]).filter(isNode)
        : [value];
    for (const part of parts) {
      const at = rangeOf(part);
      if (part.nodeType !== "Literal")
        for (const nothing of nothingOf(typeOf(part)))
          this.#add("answer replaced", at, nothing, "expression");
      this.#expression(part, []);
    }
  }

  /** `enclosing`: expressions around this one, from the inside out. */
  #expression(node: AstNode, enclosing: readonly AstNode[]): void {
    const at = rangeOf(node);
    const below = (child: unknown): void => {
      if (isNode(child)) this.#expression(child, [node, ...enclosing]);
    };
    switch (node.nodeType) {
      case "Literal":
        this.#literal(node, enclosing);
        return;
      case "BinaryOperation": {
        const operator = node["operator"] as string;
        const [left, right] = [node["leftExpression"], node["rightExpression"]];
        const site = typed(node, enclosing);
        for (const swap of swaps[operator] ?? []) this.#swap(left, right, operator, swap, "expression", site);
        if (isLogical(operator)) {
          this.#add("right side dropped", at, this.#text(rangeOf(left as AstNode)), "expression");
          this.#add("left side dropped", at, this.#text(rangeOf(right as AstNode)), "expression");
        }
        below(left);
        below(right);
        return;
      }
      case "UnaryOperation": {
        const inner = node["subExpression"] as AstNode;
        if (/^[!~]$/.test(node["operator"] as string))
          this.#add("sign dropped", at, this.#text(rangeOf(inner)), "expression");
        below(inner);
        return;
      }
      case "Conditional": {
        const [yes, no] = [node["trueExpression"] as AstNode, node["falseExpression"] as AstNode];
        const condition = node["condition"] as AstNode;
        const turned = `${this.#text(rangeOf(condition))} ? ${this.#text(rangeOf(no))} : ${this.#text(rangeOf(yes))}`;
        this.#add("branches swapped", at, turned, "expression");
        for (const part of [condition, yes, no]) below(part);
        return;
      }
      case "MemberAccess":
        if (/^type\(uint\d+\)\.max$/.test(this.#text(at)))
          this.#add("constant", at, `(${this.#text(at)} - 1)`, "expression");
        else below(node["expression"]);
        return;
      case "FunctionCall":
        this.#call(node);
        for (const argument of node["arguments"] as readonly AstNode[])
          if (node["kind"] !== "structConstructorCall" || argument.nodeType !== "Literal") below(argument);
        if ((node["expression"] as AstNode).nodeType === "MemberAccess") below(node["expression"]);
        return;
      case "TupleExpression":
        for (const part of node["components"] as readonly unknown[]) below(part);
        return;
      default:
        for (const child of childrenOf(node)) below(child);
    }
  }

  /** A cast to fewer bits is a mask. */
  #call(node: AstNode): void {
    const argument = (node["arguments"] as readonly AstNode[])[0];
    if (node["kind"] !== "typeConversion" || !argument) return;
    if (/^uint\d+$/.test(typeOf(node)) && typeOf(node) !== "uint256" && typeOf(argument) === "uint256")
      this.#add("mask removed", rangeOf(node), this.#text(rangeOf(argument)), "expression");
  }

  #literal(node: AstNode, enclosing: readonly AstNode[]): void {
    const at = rangeOf(node);
    const site = typed(node, enclosing);
    if (node["kind"] === "bool")
      this.#add("constant", at, node["value"] === "true" ? "false" : "true", "expression", site);
    if (node["kind"] !== "number") return;
    for (const other of neighbours(this.#text(at))) this.#add("constant", at, other, "expression", site);
  }

  #swap(
    left: unknown,
    right: unknown,
    operator: string,
    swap: string,
    place: "expression" | "statement",
    site: Range,
  ): void {
    const between = { start: rangeOf(left as AstNode).end, end: rangeOf(right as AstNode).start };
    const gap = this.#text(between);
    const start = between.start + gap.indexOf(operator);
    this.#add(`${operator} to ${swap}`, { start, end: start + operator.length }, swap, place, site);
  }
}

const typeOf = (node: AstNode): string =>
  (node["typeDescriptions"] as { readonly typeString?: string } | undefined)?.typeString ?? "";

/** What a switch between two of it has a type of its own: bare numbers have none, and take what stands around them along. */
function typed(node: AstNode, enclosing: readonly AstNode[]): Range {
  let best = node;
  for (const outer of enclosing) {
    const carries =
      outer.nodeType === "BinaryOperation" ||
      outer.nodeType === "UnaryOperation" ||
      outer.nodeType === "TupleExpression" ||
      (outer.nodeType === "FunctionCall" && outer["kind"] === "typeConversion");
    if (!carries || !/^int_const|^rational/.test(typeOf(best))) break;
    best = outer;
  }
  return rangeOf(best);
}

/** Answers that say nothing, for the types that have one. */
function nothingOf(type: string): readonly string[] {
  if (type === "bool") return ["false", "true"];
  return /^(uint\d+|bytes\d+|address)$/.test(type) ? [`${type}(0)`] : [];
}
