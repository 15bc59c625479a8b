import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { LocalEngine } from "../../../src/core/inference.ts";
import { openEnergyMeter, type EnergyMeter, type EnergySources } from "../../../src/inference/energy.ts";
import { metered } from "../../../src/inference/metered.ts";
import { scriptedEngine } from "../../doubles/scriptedEngine.ts";

let powercap: string;
const meters: EnergyMeter[] = [];
beforeEach(async () => {
  powercap = await mkdtemp(join(tmpdir(), "bursar-powercap-"));
});
afterEach(async () => {
  for (const meter of meters.splice(0)) meter.close();
  await rm(powercap, { recursive: true });
});
async function open(sources: EnergySources = {}) {
  const meter = await openEnergyMeter({ powercap, ...sources });
  if (meter) meters.push(meter);
  return meter;
}
/** A domain as Linux shows it in /sys/class/powercap. */
async function domain(folder: string, name: string, microjoules: string, range = "262143328850") {
  await mkdir(join(powercap, folder), { recursive: true });
  await writeFile(join(powercap, folder, "name"), `${name}\n`);
  await writeFile(join(powercap, folder, "max_energy_range_uj"), `${range}\n`);
  await writeFile(join(powercap, folder, "energy_uj"), `${microjoules}\n`);
}
/** A program that says the lines for ever, as nvidia-smi does with `--loop-ms`. */
async function smi(...lines: readonly string[]) {
  const file = join(powercap, "smi.sh");
  const says = lines.map((line) => `echo "${line}"`).join("; ");
  await writeFile(file, `#!/bin/sh\nwhile true; do ${says}; sleep 0.2; done\n`);
  await chmod(file, 0o700);
  return file;
}

describe("processor packages", () => {
  it("are added up; their parts and the board, which hold the same energy, are not", async () => {
    await domain("intel-rapl:0", "package-0", "1000000");
    await domain("intel-rapl:1", "package-1", "5000000");
    await domain("intel-rapl:0:0", "core", "7");
    await domain("intel-rapl:2", "psys", "7");
    const end = await (await open())!.start();
    await domain("intel-rapl:0", "package-0", "1500400");
    await domain("intel-rapl:1", "package-1", "5250000");
    await domain("intel-rapl:0:0", "core", "9999999");
    await domain("intel-rapl:2", "psys", "9999999");
    expect(await end()).toEqual({ millijoules: 750, source: "rapl" });
  });

  it("count on when their counter begins anew", async () => {
    await domain("intel-rapl:0", "package-0", "9000", "10000");
    const end = await (await open())!.start();
    await domain("intel-rapl:0", "package-0", "2000", "10000");
    expect(await end()).toEqual({ millijoules: 3, source: "rapl" });
  });

  it("say nothing where they can't be read: no figure is made up", async () => {
    expect(await open()).toBeNull();
    expect(await open({ powercap: join(powercap, "none") })).toBeNull();
    await domain("intel-rapl:0", "package-0", "no number");
    expect(await open()).toBeNull();
    await domain("intel-rapl:0", "package-0", "1");
    const end = await (await open())!.start();
    await rm(join(powercap, "intel-rapl:0"), { recursive: true });
    expect(await end()).toBeNull();
  });
});

describe("cards", () => {
  it("draw what they say, all of them together, over the time", async () => {
    const meter = (await open({ nvidiaSmi: await smi("100.50", "99.50") }))!;
    const end = await meter.start();
    const started = performance.now();
    await sleep(700);
    const { millijoules, source } = (await end())!;
    const expected = 200 * (performance.now() - started);
    expect(source).toBe("nvidia-smi");
    expect(millijoules).toBeGreaterThan(expected * 0.8);
    expect(millijoules).toBeLessThan(expected * 1.2);
  });

  it("are left out where the program is not there, or knows no power", async () => {
    expect(await open({ nvidiaSmi: join(powercap, "none") })).toBeNull();
    expect(await open({ nvidiaSmi: await smi("[N/A]") })).toBeNull();
    expect(await open({ nvidiaSmi: null })).toBeNull();
  });
});

describe("a metered engine", () => {
  const prompt = { messages: [{ role: "user", content: "Hm?" }], grammar: null, maxTokens: 8 } as const;
  const ask = (engine: LocalEngine) => engine.infer(prompt, { kind: "greedy" });
  /** Half a joule an inference. */
  const meter = (): EnergyMeter & { closed: boolean } => ({
    closed: false,
    start: () => Promise.resolve(() => Promise.resolve({ millijoules: 500, source: "test" })),
    close() {
      this.closed = true;
    },
  });
  const slow = (): LocalEngine => {
    const script = scriptedEngine(() => "yes");
    return {
      ...(script as unknown as LocalEngine),
      infer: async (...asked) => {
        await sleep(30);
        return (await script.infer(...asked)) as Awaited<ReturnType<LocalEngine["infer"]>>;
      },
    };
  };

  it("tells what an inference took, and goes with its engine", async () => {
    const counter = meter();
    const engine = metered(slow(), counter);
    expect((await ask(engine)).energy).toEqual({ millijoules: 500, source: "test" });
    await engine.close();
    expect(counter.closed).toBe(true);
  });

  it("tells nothing of two at once: whose energy it was is not known", async () => {
    const engine = metered(slow(), meter());
    const [one, two] = await Promise.all([ask(engine), ask(engine)]);
    expect(one).not.toHaveProperty("energy");
    expect(two).not.toHaveProperty("energy");
    expect(await ask(engine)).toHaveProperty("energy");
  });
});
