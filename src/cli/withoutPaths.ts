/** Without what stands behind the host of its URLs: the keys of hosted nodes are paths, and whoever reports a fault copies all of it. */
export const withoutPaths = (text: string): string =>
  text.replaceAll(/\b((?:https?|wss?):\/\/)(?:[^\s/@"'`]*@)?([^\s/?#"'`)]+)[^\s"'`)]*/gi, "$1$2");
