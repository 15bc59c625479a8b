// A plug-in of Stryker: texts for people are no mutants. A text with a blank in it is one; codes and names have none.
const isForPeople = ({ node, parent }) => {
  if (node.type === "StringLiteral") return node.value.includes(" ");
  if (node.type !== "TemplateLiteral" || parent?.type === "TaggedTemplateExpression") return false;
  // Whatever is decided inside of a text is looked at: ignoring a node ignores all that is in it.
  const plain = node.expressions.every(({ type }) => type === "Identifier" || type === "MemberExpression");
  return plain && node.quasis.some(({ value }) => value.raw.includes(" "));
};

export const strykerPlugins = [
  {
    kind: "Ignore",
    name: "words",
    value: { shouldIgnore: (path) => (isForPeople(path) ? "A text for people" : undefined) },
  },
];
