import type { TriggerSource } from "../../core/agent.ts";
import type { Fact } from "../../core/observation.ts";
import type { Trigger } from "../../core/trigger.ts";
import { finalBlock, type Chain } from "../../chain/connectChain.ts";
import { eventLogs, readEvent, type EventLog } from "../../chain/eventLogs.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { addUpTo, countWaiting, cursorOf } from "../../journal/triggers.ts";
import { mostWaiting, type Watcher } from "./watcher.ts";

/**
 * Wakes an agent by an event of a contract, once it is final. Known by its transaction and its place in there, so a reorganisation
 * that moves the transaction to another block wakes nobody twice. Begins at the final block of the first start.
 *
 * @throws EventDeclarationError
 */
export function watchChainEvent(options: {
  readonly agent: string;
  readonly journal: JournalDatabase;
  readonly chain: Chain;
  readonly source: Extract<TriggerSource, { kind: "chainEvent" }>;
}): Watcher {
  const { agent, chain, journal, source } = options;
  const { contract, name, where = {} } = source;
  const event = readEvent(source.event);
  const cursor = `event ${name}`;
  return {
    async scan() {
      const since = cursorOf(journal, agent, cursor);
      if (since === undefined) {
        const { number } = await finalBlock(chain);
        addUpTo(journal, agent, cursor, Number(number < 0n ? 0n : number), []);
        return;
      }
      // Until it has caught up, or enough waits: what was missed while nobody watched may be many blocks.
      for (let from = BigInt(since), more = true; more && countWaiting(journal, agent) < mostWaiting;) {
        const found = await eventLogs(chain, { contract, event, where, since: from });
        const triggers = found.logs.map((log) => triggerOf(chain.chainId, source, log));
        if (found.upTo > from) addUpTo(journal, agent, cursor, Number(found.upTo), triggers);
        ({ more, upTo: from } = found);
      }
    },
  };
}

function triggerOf(
  chainId: number,
  { contract, name }: Extract<TriggerSource, { kind: "chainEvent" }>,
  { args, block, freeText, name: event, place, transaction }: EventLog,
): Trigger {
  const fact = (value: Fact["value"], provenance: Fact["provenance"] = "chain"): Fact => ({
    value,
    provenance,
  });
  return {
    kind: "chainEvent",
    dedupeId: `event:${name}:${chainId}:${transaction}:${place}`,
    label: `${event} in ${transaction}`,
    payload: {
      facts: {
        "event.name": fact(event),
        "event.contract": fact(contract.toLowerCase()),
        "event.transaction": fact(transaction),
        "event.block": fact(block.toString()),
        // That it happened is the chain's word; text in it is whoever's.
        "event.args": fact(args, freeText ? "untrusted" : "chain"),
      },
    },
  };
}
