// Five minutes of real time, which is how long WalletConnect lets a proposal and a request stand. The SDK's own promises would end the process then.
import { expect, test } from "vitest";

import { chainId, grant, verifies } from "./documents.ts";
import { methods, openWorld } from "./world.ts";

const seconds = 1000;

test(
  "what nobody answers expires: told as such, the process lives, and the next is answered",
  { timeout: 420 * seconds },
  async () => {
    const world = await openWorld();
    try {
      const link = await world.link();
      const wallet = await world.wallet();
      const session = await world.pair(link, wallet);
      await wallet.do({ do: "mode", onRequest: "hold" });
      const { pid } = link;
      const begun = performance.now();
      const { settled } = await link.connect({ chains: [chainId], methods });
      const [proposal, request] = await Promise.all([
        settled,
        link.requestTypedData(session.topic, wallet.address, grant("1"), { id: "one" }),
      ]);
      const took = (performance.now() - begun) / seconds;
      expect([proposal, request]).toEqual([{ outcome: "expired" }, { outcome: "expired" }]);
      expect(took).toBeGreaterThan(299);
      expect(took).toBeLessThan(330);
      expect(wallet.heard("request")).toHaveLength(1);
      await wallet.do({ do: "mode", onRequest: "right" });
      const next = await link.requestTypedData(session.topic, wallet.address, grant("2"), { id: "two" });
      expect(await verifies(wallet.address, "2", next)).toBe(true);
      expect([link.pid, link.events.filter(({ kind }) => kind === "crashed")]).toEqual([pid, []]);
    } finally {
      await world.close();
    }
  },
);
