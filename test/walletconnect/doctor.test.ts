// What `bursar doctor` says of the relay to wallets.
import { expect, test } from "vitest";

import { checkRelay } from "../../src/runtime/doctor/wallets.ts";
import { startRelay } from "../../src/testing/index.ts";

const wallets = { name: "Bursar", description: "", url: "http://localhost" };

test("a relay that lets us in, one that does not, one that is silent, and none", async () => {
  const relay = await startRelay();
  const { host } = new URL(relay.url);
  try {
    expect(await checkRelay({ ...wallets, relay: relay.url })).toMatchObject({
      ok: true,
      detail: `The relay ${host} lets us in.`,
    });
    const turning = setInterval(() => relay.disconnect(3000, "Project not found"), 50);
    expect(await checkRelay({ ...wallets, relay: relay.url })).toMatchObject({
      ok: false,
      detail: expect.stringContaining("does not let us in") as string,
      remedy: "Correct `wallets.projectId`.",
    });
    clearInterval(turning);
    const hole = relay.inject({ on: "call", do: "blackHole" });
    expect(await checkRelay({ ...wallets, relay: relay.url })).toMatchObject({
      ok: false,
      detail: `The relay ${host} does not answer.`,
    });
    hole.lift();
  } finally {
    await relay.close();
  }
  expect(await checkRelay({ ...wallets, relay: relay.url })).toMatchObject({
    ok: false,
    detail: `The relay ${host} does not answer.`,
  });
});
