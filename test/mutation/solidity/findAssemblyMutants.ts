import { childrenOf, neighbours, rangeOf, type AstNode, type Mutant, type Range } from "./mutant.ts";

/** Each function of the EVM, and what may stand in its place. `$0` and `$1` are its arguments. */
const swaps: Readonly<Record<string, readonly string[]>> = {
  lt: ["iszero(gt($0, $1))", "iszero(lt($0, $1))"],
  gt: ["iszero(lt($0, $1))", "iszero(gt($0, $1))"],
  eq: ["iszero(eq($0, $1))"],
  add: ["sub($0, $1)", "$0"],
  sub: ["add($0, $1)", "$0"],
  mul: ["div($0, $1)"],
  div: ["mul($0, $1)"],
  shl: ["shr($0, $1)"],
  shr: ["shl($0, $1)"],
  and: ["or($0, $1)"],
  or: ["and($0, $1)", "$0", "$1"],
  xor: ["or($0, $1)"],
};

/** Mutants of one block of inline assembly. */
export function findAssemblyMutants(file: string, source: string, block: AstNode): readonly Mutant[] {
  const mutants: Mutant[] = [];
  const text = ({ start, end }: Range): string => source.slice(start, end);
  const add = (operator: string, at: Range, changed: string, place: Mutant["place"]): void => {
    mutants.push({ file, operator, at, text: changed, place, site: at });
  };
  const remove = (node: AstNode): void => add("statement removed", rangeOf(node), "", "assembly statement");

  function expression(node: AstNode): void {
    const at = rangeOf(node);
    if (node.nodeType === "YulLiteral")
      for (const other of neighbours(text(at))) add("constant", at, other, "assembly expression");
    if (node.nodeType !== "YulFunctionCall") return;
    const { name } = node["functionName"] as { readonly name: string };
    const parts = node["arguments"] as readonly AstNode[];
    for (const swap of swaps[name] ?? [])
      add(
        swap.startsWith("$") ? "argument dropped" : `${name} to ${swap.replaceAll(/\(\$.*/g, "")}`,
        at,
        swap.replaceAll(/\$(\d)/g, (_, index: string) => text(rangeOf(parts[Number(index)]!))),
        "assembly expression",
      );
    for (const part of parts) expression(part);
  }

  function statement(node: AstNode): void {
    switch (node.nodeType) {
      case "YulExpressionStatement":
        remove(node);
        // A call of the EVM without a value can carry no switch, its arguments can.
        for (const part of (node["expression"] as AstNode)["arguments"] as readonly AstNode[])
          expression(part);
        return;
      case "YulAssignment":
        remove(node);
        expression(node["value"] as AstNode);
        return;
      case "YulVariableDeclaration":
        if (node["value"]) expression(node["value"] as AstNode);
        return;
      case "YulForLoop":
        for (const part of childrenOf(node["pre"] as AstNode)) statement(part);
        expression(node["condition"] as AstNode);
        statement(node["body"] as AstNode);
        return;
      default:
        for (const child of childrenOf(node)) statement(child);
    }
  }
  statement(block);
  return mutants;
}
