import { formatUnitsExact } from "../core/amount.ts";
import { bucketsPerWindow } from "./grant.ts";
import type { CompiledPolicy } from "./compile.ts";
import type { Token } from "./registry.ts";

const show = (units: bigint, token: Token) =>
  `${formatUnitsExact(units, token.decimals, Math.min(2, token.decimals))} ${token.symbol}`;

function length(seconds: bigint): string {
  if (seconds % 86400n === 0n && seconds > 86400n) return `${seconds / 86400n} days`;
  if (seconds % 3600n === 0n) return `${seconds / 3600n} hours`;
  return `${seconds / 60n} minutes`;
}

/** The compiled policy in sentences that a person signs under: what the chain enforces first, then what is only advisory. */
export function explainPolicy(policy: CompiledPolicy): readonly string[] {
  const lines: string[] = [];
  for (const { token, grant, units } of policy.limits) {
    lines.push(
      `The agent ${policy.agent} may pay at most ${show(grant.perCall, token)} at a time, ${show(grant.perWindow, token)} in any ${length(grant.bucket * bucketsPerWindow)}, ${show(grant.lifetime, token)} in all.`,
    );
    lines.push(
      `It may spend at most ${formatUnitsExact(grant.feeCap, 18)} ETH on gas per operation and ${formatUnitsExact(grant.gasBudget, 18)} ETH in all.`,
    );
    lines.push(
      `It may do so until ${new Date(Number(grant.expiry) * 1000).toISOString()}. Amounts are counted in steps of ${show(10n ** BigInt(units.exponent), token)}, rounded up.`,
    );
  }
  lines.push(
    `It may pay only: ${policy.payees.map((payee) => `${payee.name} (${payee.address})`).join(", ")}.`,
  );
  lines.push(
    "Everything else is refused by the chain, and so is any operation without a decision commitment.",
  );
  const words = { ask: "is asked about", deny: "is refused", allow: "may be paid" }[
    policy.unauthenticatedMail
  ];
  lines.push(
    `Advisory (enforced by the runtime, not by the chain): a bill from an unauthenticated sender ${words}; one bill is never paid twice.`,
  );
  return lines;
}
