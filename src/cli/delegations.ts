import { defineCommand } from "citty";

import { formatUnitsExact } from "../core/amount.ts";
import type { StandingDelegation, Unread } from "../runtime/delegate/readDelegations.ts";
import { askPassword } from "./askPassword.ts";
import { forTerminal } from "./forTerminal.ts";
import { leftOf } from "./leftOf.ts";
import { agreed, tell, walletCalls } from "./ownerArguments.ts";
import { now } from "../runtime/clock.ts";
import { isGranted, isUnknown, standing } from "./standing.ts";

const config = {
  type: "string",
  description: "Configuration of the agent.",
  default: "bursar.json",
} as const;
const json = { type: "boolean", description: "One JSON document on stdout.", default: false } as const;

const listArgs = {
  config,
  all: { type: "boolean", description: "Also those that are over.", default: false },
  json,
} as const;

export const delegationsCommand = defineCommand({
  meta: {
    name: "delegations",
    description: "Who delegated what to the agents, what is left of it, and how to end it.",
  },
  default: "list",
  // So that `bursar delegations --config FILE` is read as list's.
  args: listArgs,
  subCommands: {
    list: defineCommand({
      meta: { name: "list", description: "Each with its budget on the chain, its end, and its state." },
      args: listArgs,
      async run({ args }) {
        const { rows: all, unread } = await read(args.config);
        const isHidden = (row: StandingDelegation) =>
          row.state === "ended" && !isGranted(row) && !isUnknown(row, now() / 1000);
        const rows = all.filter((row) => args.all || !isHidden(row));
        // The list is not all of it.
        if (unread.length > 0 || all.some((row) => isUnknown(row, now() / 1000))) process.exitCode = 1;
        if (args.json)
          return print(
            JSON.stringify({ delegations: rows.map(toJson), unread }, (_, value: unknown) =>
              typeof value === "bigint" ? value.toString() : value,
            ),
          );
        if (rows.length === 0)
          return print(unread.length > 0 ? "Nobody delegates, in what could be read." : "Nobody delegates.");
        for (const row of rows) print(lineOf(row));
      },
    }),
    revoke: defineCommand({
      meta: {
        name: "revoke",
        description:
          "Ends a delegation on the chain, for good: with the agent's own key (it gives a grant up), or prints the payer's calls for any wallet.",
      },
      args: {
        delegation: {
          type: "positional",
          description: "Its hash, or the first digits of it.",
          required: true,
          valueHint: "0x…",
        },
        config,
        calldata: {
          type: "boolean",
          description:
            "Only print the payer's calls, for his wallet: [{ to, data, value }]; with --json their chain too.",
          default: false,
        },
        yes: { type: "boolean", description: "Don't ask before it is sent.", default: false },
        json,
      },
      async run({ args }) {
        const [{ delegationNamed }, { giveUpGrant, revokeCalls }, { readConfig }] = await Promise.all([
          import("../runtime/delegate/readDelegations.ts"),
          import("../runtime/delegate/endDelegation.ts"),
          import("../runtime/config.ts"),
        ]);
        const row = delegationNamed((await read(args.config)).rows, args.delegation);
        const { delegation } = row;
        if (args.calldata) {
          const { chainId, id } = delegation;
          const calls = walletCalls(revokeCalls(row).map((call) => ({ call })));
          // The contracts have one address on every chain, so the wrong one takes the calls as well.
          tell(`To be sent on chain ${chainId}: on any other they end nothing.`);
          return print(JSON.stringify(args.json ? { delegation: id, chainId, calls } : calls));
        }
        if (!(await agreed(`End ${delegation.id} for good?`, args)))
          return print(
            args.json ? JSON.stringify({ delegation: delegation.id, revoked: false }) : "Nothing was done.",
          );
        const transaction = await giveUpGrant(await readConfig(args.config), delegation, askPassword);
        print(
          args.json
            ? JSON.stringify({ delegation: delegation.id, revoked: true, transaction })
            : transaction === null
              ? "It is over on the chain already."
              : `Over: ${transaction}`,
        );
      },
    }),
  },
});

/** One journal that can't be read hides no other's delegations: it is told on stderr. */
async function read(
  file: string,
): Promise<{ readonly rows: readonly StandingDelegation[]; readonly unread: readonly Unread[] }> {
  const [{ readDelegations }, { readConfig }] = await Promise.all([
    import("../runtime/delegate/readDelegations.ts"),
    import("../runtime/config.ts"),
  ]);
  const unread: Unread[] = [];
  const rows = await readDelegations(await readConfig(file), (journal) => unread.push(journal));
  for (const { journal, why } of unread)
    tell(forTerminal(`Not read, so that what it delegates is not known: ${journal}: ${why}`));
  return { rows, unread };
}

const toJson = (row: StandingDelegation) => ({
  ...row.delegation,
  state: row.state,
  standing: standing(row, now() / 1000),
  unknown: row.unknown ?? null,
  validUntil: row.validUntil,
  left: leftOf(row) ?? null,
  budget: row.budget ?? row.permission ?? null,
});

function lineOf(row: StandingDelegation): string {
  const { delegation, validUntil } = row;
  const { decimals, symbol } = delegation.token;
  const show = (units: bigint) => `${formatUnitsExact(units, decimals, Math.min(2, decimals))} ${symbol}`;
  const found = leftOf(row);
  const left = !found
    ? row.unknown === undefined
      ? "nothing"
      : "unknown"
    : found.inAll === undefined
      ? `${show(found.now)} in this period`
      : `${show(found.now)} now, ${show(found.inAll)} in all`;
  const from = delegation.rung === "account" ? `${delegation.contract} of ` : "";
  return `${delegation.id.slice(0, 12)}  ${delegation.agent}: out of ${from}${delegation.account}, left ${left}, until ${new Date(validUntil * 1000).toISOString()}  ${standing(row, now() / 1000)} (${delegation.rung})`;
}

const print = (words: string): void => void process.stdout.write(`${forTerminal(words)}\n`);
