import { compile } from "html-to-text";
import { isHidden, withoutComments, type StyledElement } from "./hidden.ts";

export type HtmlText = {
  readonly text: string;
  /** Elements left out because a person reading the mail would not see them. */
  readonly hidden: number;
};

type Walk = (elements: readonly StyledElement[], builder: Builder) => void;
type Builder = { readonly addInline: (text: string) => void };

// Nesting beyond any layout table; html-to-text recurses, and the stack is finite.
const maxDepth = 200;
const maxChildNodes = 20_000;
/** Style sheets are read this far, in characters. */
const maxStyleLength = 64 * 1024;

/** The visible text of an HTML mail: no addresses of links, no images, nothing hidden. */
export function htmlText(html: string): HtmlText {
  const classes = hidingSelectors(html);
  let hidden = 0;

  /** Leaves hidden elements out; hands others on to the formatter of their tag. */
  function visible(element: StyledElement, walk: Walk, builder: Builder): void {
    if (isHidden(element, classes)) {
      hidden++;
      return;
    }
    // Without the attributes that led here, the same element meets its ordinary formatter.
    const { color: _color, ...rest } = element.attribs;
    element.seen = element.attribs;
    element.attribs = Object.fromEntries(
      Object.entries(rest).filter(
        ([name]) => !["style", "hidden", "class", "id", "width", "height"].includes(name),
      ),
    );
    walk([element], builder);
  }

  function cell(element: StyledElement, walk: Walk, builder: Builder): void {
    walk(element.children, builder);
    // Two cells of a row are two words even where the source has no blank between them.
    builder.addInline(" ");
  }

  const convert = compile({
    wordwrap: false,
    limits: { maxDepth, maxChildNodes, maxInputLength: 1 << 26 },
    formatters: { visible: visible as never, cell: cell as never },
    selectors: [
      ...["[style]", "[hidden]", "[class]", "[id]", "[color]"].map((selector) => ({
        selector,
        format: "visible",
      })),
      ...[
        "script",
        "style",
        "template",
        "noscript",
        "head",
        "title",
        "object",
        "svg",
        "img",
        "video",
        "audio",
      ].map((selector) => ({ selector, format: "skip" })),
      { selector: "a", options: { ignoreHref: true } },
      { selector: "tr", format: "block", options: { leadingLineBreaks: 1, trailingLineBreaks: 1 } },
      { selector: "td", format: "cell" },
      { selector: "th", format: "cell" },
      { selector: "hr", options: { length: 3 } },
      ...["h1", "h2", "h3", "h4", "h5", "h6"].map((selector) => ({
        selector,
        options: { uppercase: false },
      })),
    ],
  });
  const text = convert(html);
  return { text, hidden };
}

/** Classes and ids that a style sheet of the mail hides for every reader (rules inside @media hide for some only). */
function hidingSelectors(html: string): ReadonlySet<string> {
  const found = new Set<string>();
  const css = withoutComments(styleSheets(html));
  let depth = 0;
  let selectors = "";
  let start = 0;
  // One pass by hand: every regular expression for this is quadratic on hostile input.
  for (let at = 0; at < css.length; at++) {
    const character = css[at];
    if (character !== "{" && character !== "}") continue;
    const chunk = css.slice(start, at);
    start = at + 1;
    if (character === "{") {
      if (depth === 0) selectors = chunk;
      depth++;
      continue;
    }
    if (depth === 1 && isHidden({ attribs: { style: chunk.slice(0, 4096) }, children: [] }, new Set()))
      for (const selector of selectors.slice(-maxStyleLength).split(",")) {
        const simple = /^[a-z0-9]{0,20}([.#][\w-]{1,100})$/i.exec(selector.trim());
        if (simple?.[1]) found.add(simple[1]);
      }
    depth = Math.max(0, depth - 1);
  }
  return found;
}

function styleSheets(html: string): string {
  // ASCII only: full lower-casing may change the length, and with it every position.
  const lower = html.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  let sheets = "";
  for (let at = lower.indexOf("<style"); at >= 0 && sheets.length < maxStyleLength;) {
    const open = lower.indexOf(">", at);
    if (open < 0) break;
    const close = lower.indexOf("</style", open);
    sheets += html.slice(open + 1, close < 0 ? html.length : close).slice(0, maxStyleLength);
    if (close < 0) break;
    at = lower.indexOf("<style", close);
  }
  return sheets;
}
