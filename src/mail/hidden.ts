/** An element of the HTML tree, as far as visibility needs it. */
export type StyledElement = {
  attribs: Readonly<Record<string, string>>;
  readonly children: readonly StyledElement[];
  readonly parent?: StyledElement | null;
  /** The attributes before htmlText.ts took some away; children still need their parent's background. */
  seen?: Readonly<Record<string, string>>;
};

/** Would a person reading the mail not see this element? `classes`: `.class` and `#id` that a style sheet hides. */
export function isHidden(element: StyledElement, classes: ReadonlySet<string>): boolean {
  const attributes = element.attribs;
  if ("hidden" in attributes) return true;
  // No mail program writes that much; it would only make the patterns below slow.
  if ((attributes["style"]?.length ?? 0) > maxStyleAttribute) return true;
  if (classes.size > 0) {
    if (attributes["id"] && classes.has(`#${attributes["id"]}`)) return true;
    for (const name of attributes["class"]?.split(/\s+/) ?? []) if (classes.has(`.${name}`)) return true;
  }
  const style = declarations(attributes["style"]);
  if (style.get("display") === "none" || /^(?:hidden|collapse)$/.test(style.get("visibility") ?? ""))
    return true;
  if (isTiny(style.get("font-size")) || isZero(style.get("opacity"))) return true;
  const clipped = style.get("overflow")?.includes("hidden") === true;
  if (clipped && ["height", "max-height", "width", "max-width"].some((name) => isTiny(style.get(name))))
    return true;
  if (isFarAway(style.get("text-indent")) || isFarAway(style.get("margin-left"))) return true;
  if (
    /absolute|fixed/.test(style.get("position") ?? "") &&
    ["left", "top"].some((name) => isFarAway(style.get(name)))
  )
    return true;
  if (/^rect\(0|^inset\((?:50|100)%/.test(style.get("clip") ?? style.get("clip-path") ?? "")) return true;
  const ink = colour(style.get("color") ?? attributes["color"]);
  return ink !== undefined && (ink === "transparent" || ink === backgroundOf(element));
}

/** Characters. */
const maxStyleAttribute = 4096;

function declarations(style: string | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  // CSS comments split words for a naive reader and vanish for a browser.
  for (const part of withoutComments(style ?? "").split(";")) {
    const colon = part.indexOf(":");
    if (colon < 0) continue;
    const value = part
      .slice(colon + 1)
      .replace(/!\s*important/i, "")
      .trim()
      .toLowerCase();
    found.set(part.slice(0, colon).trim().toLowerCase(), value);
  }
  return found;
}

/** CSS without its comments; one that never ends takes the rest, as in a browser. By hand: an expression is quadratic. */
export function withoutComments(css: string): string {
  let kept = "";
  for (let at = 0; at < css.length;) {
    const open = css.indexOf("/*", at);
    kept += css.slice(at, open < 0 ? css.length : open);
    const close = open < 0 ? -1 : css.indexOf("*/", open + 2);
    if (close < 0) break;
    at = close + 2;
  }
  return kept;
}

/** Below two pixels nobody reads it. */
function isTiny(length: string | undefined): boolean {
  const match = /^([\d.]+)\s*(px|pt|em|rem|%|)/.exec(length ?? "");
  if (!match) return false;
  const size = Number(match[1]);
  if (match[2] === "em" || match[2] === "rem") return size < 0.15;
  return match[2] === "%" ? size < 15 : size < 2;
}

function isZero(number: string | undefined): boolean {
  return number !== undefined && Number.parseFloat(number) < 0.05;
}

function isFarAway(length: string | undefined): boolean {
  return Number.parseFloat(length ?? "0") <= -500;
}

const names: Readonly<Record<string, string>> = {
  white: "ffffff",
  black: "000000",
  snow: "fffafa",
  ivory: "fffff0",
};

/** Six hex digits, "transparent", or undefined where it isn't written as one of the usual forms. */
function colour(value: string | undefined): string | undefined {
  if (!value) return undefined;
  const text = value.trim().toLowerCase();
  if (text === "transparent") return text;
  if (Object.hasOwn(names, text)) return names[text];
  const long = /^#?([0-9a-f]{6})(?:[0-9a-f]{2})?\b/.exec(text)?.[1];
  if (long) return long;
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])\b/.exec(text);
  if (short)
    return short
      .slice(1)
      .map((digit) => digit + digit)
      .join("");
  const rgb = /^rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+([\d.]+))?/.exec(text);
  if (!rgb) return undefined;
  if (rgb[4] !== undefined && isZero(rgb[4])) return "transparent";
  return rgb
    .slice(1, 4)
    .map((part) => Math.min(255, Number(part)).toString(16).padStart(2, "0"))
    .join("");
}

/** The nearest background that is said; a mail without one is read on white. */
function backgroundOf(element: StyledElement): string {
  for (let at: StyledElement | null | undefined = element; at?.attribs; at = at.parent) {
    const attributes = at.seen ?? at.attribs;
    const style = declarations(attributes["style"]);
    const said = style.get("background-color") ?? style.get("background") ?? attributes["bgcolor"];
    // A picture behind the text: what colour it is, nobody knows.
    if (said?.includes("url(") || attributes["background"]) return "picture";
    const known = colour(said?.replace(/\s.*/s, "").startsWith("rgb") ? said : said?.replace(/\s.*/s, ""));
    if (known && known !== "transparent") return known;
  }
  return "ffffff";
}
