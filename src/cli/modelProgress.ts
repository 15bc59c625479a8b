import type { AddProgress } from "../runtime/models.ts";

const barWidth = 24;
/** Milliseconds between two pictures of the bar. */
const pictureEveryMs = 100;
/** Where no end is known and no terminal watches, a line comes after so many bytes. */
const lineEveryBytes = 100_000_000;

export type Screen = {
  readonly isTTY: boolean;
  readonly write: (text: string) => void;
  readonly nowMs: () => number;
};

/** Records of a calibration that were compared. */
type CompareProgress = { readonly kind: "compared"; readonly permille: number };

/** Questions that an engine was asked. */
type AskProgress = { readonly kind: "asked"; readonly whom: string; readonly permille: number };

export type Progress = {
  readonly show: (progress: AddProgress | CompareProgress | AskProgress) => void;
  readonly end: () => void;
};

/** A bar on a terminal; elsewhere a line every ten percent. */
export function progressOn(screen: Screen): Progress {
  let [phase, startedMs, startBytes, shownMs, told] = ["", 0, 0, 0, -1];
  let open = false;
  const end = () => {
    if (open) screen.write("\n");
    open = false;
  };
  const say = (line: string) => {
    end();
    screen.write(`${line}\n`);
  };
  const measure = (name: string, done: number, total: number | null, inBytes: boolean): void => {
    const nowMs = screen.nowMs();
    if (phase !== name) {
      end();
      [phase, startedMs, startBytes, shownMs, told] = [name, nowMs, done, 0, -1];
    }
    const finished = total !== null && done >= total;
    const amount = !inBytes
      ? ""
      : total === null
        ? `  ${bytes(done)}`
        : `  ${bytes(done)} of ${bytes(total)}`;
    const percent = total === null ? null : Math.floor((done * 100) / Math.max(1, total));
    if (!screen.isTTY) {
      const step = percent === null ? Math.floor(done / lineEveryBytes) : Math.floor(percent / 10);
      if (step <= told) return;
      told = step;
      return say(`${name}${percent === null ? "" : ` ${percent} %`}${amount}`);
    }
    if (!finished && nowMs - shownMs < pictureEveryMs) return;
    shownMs = nowMs;
    const full = percent === null ? 0 : Math.round((percent * barWidth) / 100);
    const bar =
      percent === null
        ? ""
        : ` [${"█".repeat(full)}${"░".repeat(barWidth - full)}] ${String(percent).padStart(3)} %`;
    const speed = ((done - startBytes) * 1000) / Math.max(1, nowMs - startedMs);
    const rate =
      inBytes && nowMs - startedMs > 1000
        ? `  ${bytes(speed)}/s${total === null ? "" : left((total - done) / speed)}`
        : "";
    screen.write(`\r\u001b[K${name}${bar}${amount}${rate}`);
    open = true;
    if (finished) end();
  };
  return {
    end,
    show(progress) {
      if (progress.kind === "bytes") measure("fetching", progress.doneBytes, progress.totalBytes, true);
      else if (progress.kind === "copied") measure("copying", progress.doneBytes, progress.totalBytes, true);
      else if (progress.kind === "proven") measure("proving", progress.doneBytes, progress.totalBytes, true);
      else if (progress.kind === "hashed") measure("hashing", progress.permille, 1000, false);
      else if (progress.kind === "compared") measure("comparing", progress.permille, 1000, false);
      else if (progress.kind === "asked") measure(`asking ${progress.whom}`, progress.permille, 1000, false);
      else if (progress.kind === "resumed") say(`going on after ${bytes(progress.doneBytes)}`);
      else say("the server has another file now, or can't send a part: beginning anew");
    },
  };
}

const left = (seconds: number): string =>
  !Number.isFinite(seconds) || seconds < 1
    ? ""
    : seconds < 90
      ? `  ${Math.ceil(seconds)} s left`
      : `  ${Math.ceil(seconds / 60)} min left`;

/** Decimal units, as disks and hubs count. */
export function bytes(count: number): string {
  const [unit, size] = (
    [
      ["GB", 1e9],
      ["MB", 1e6],
      ["kB", 1e3],
    ] as const
  ).find(([, one]) => count >= one) ?? ["B", 1];
  return `${size === 1 ? Math.round(count) : (count / size).toFixed(1)} ${unit}`;
}
