import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document } from "yaml";

/** A place in a text. Lines and columns count from 1. */
export type Place = { readonly line: number; readonly column: number };
/** Where a path stands in the text; the nearest ancestor that exists when it is missing. `key`: its key, not its value. */
export type Locate = (path: readonly PropertyKey[], key?: boolean) => Place;

/** A text (YAML 1.2, of which JSON is a part) with a map from paths and offsets to places in it. */
export type LocatedText = {
  readonly document: Document;
  readonly at: (offset: number) => Place;
  readonly locate: Locate;
};

export function locateIn(text: string): LocatedText {
  const counter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: counter,
    uniqueKeys: true,
    customTags: [],
    merge: false,
  });
  const at = (offset: number): Place => {
    const { line, col } = counter.linePos(Math.max(0, Math.min(offset, text.length)));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  return { document, at, locate: (path, key = false) => at(offsetOf(document, path, key)) };
}

function offsetOf(document: Document, path: readonly PropertyKey[], key: boolean): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const [depth, part] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      if (!pair) return offset;
      const last = depth === path.length - 1;
      const target = last && key ? pair.key : (pair.value ?? pair.key);
      offset = rangeStart(target) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = rangeStart(node) ?? offset;
    } else return offset;
  }
  return offset;
}

export function rangeStart(node: unknown): number | undefined {
  // A node that was read has a range.
  return isNode(node) ? node.range![0] : undefined;
}
