import { etherUp, formatUnitsExact } from "../../core/amount.ts";
import type { Chain } from "../../chain/connectChain.ts";
import { ask } from "../../chain/connectChain.ts";
import { readAccount, type AccountState } from "../../chain/readAccount.ts";
import { refusesInstall } from "../../chain/refusesInstall.ts";
import type { CompiledPolicy } from "../../policy/compile.ts";
import { decodeCounters } from "../../policy/usage.ts";
import type { Config } from "../config.ts";
import type { OwnerSignatures } from "../ownerSignatures.ts";
import { bad, good, type Check } from "./check.ts";

/** How old the newest block may be, and how far our clock from it, in seconds. Chains with slow blocks stay within. */
const oldestBlock = 300;
/** How far a block may be ahead of our clock, in seconds. */
const mostAhead = 30;

/** An RPC that stands still looks like a healthy one, and a wrong clock like an RPC that stands still. */
export async function checkClock(chain: Chain, nowSeconds: number): Promise<Check> {
  const { number, timestamp } = await ask(chain, () => chain.client.getBlock({ blockTag: "latest" }));
  const behind = nowSeconds - Number(timestamp);
  const words = `Block ${number} is ${Math.abs(behind)} s ${behind < 0 ? "ahead of" : "behind"} this machine's clock.`;
  return behind > oldestBlock || behind < -mostAhead
    ? bad(
        "clock",
        words,
        "Compare the clock with another one. If it is right, the RPC stands still: use another. A local chain makes blocks only when something happens.",
      )
    : good("clock", words);
}

/** The account as the agent finds it. */
export async function checkAccount(
  chain: Chain,
  { account, origin }: Config,
  policy: CompiledPolicy,
  signatures: OwnerSignatures,
): Promise<readonly Check[]> {
  const state = await readAccount(chain, account, policy, origin);
  const signed = await Promise.all(
    policy.limits.map(async (limit) => {
      const signature = signatures[limit.policyId];
      return (
        signature !== undefined && (await refusesInstall(chain, account, limit, signature, state)) === null
      );
    }),
  );
  return [
    state.frozen
      ? bad(
          "account",
          `${account} is frozen.`,
          "Only its owner unfreezes it. Find out first who froze it, and why.",
        )
      : good(
          "account",
          state.made
            ? `${account}, epoch ${state.epoch}, not frozen`
            : `${account} is not there yet: the agent's first operation makes it, for ${state.owner}.`,
        ),
    ...policy.limits.map((limit, index) => checkGrant(state, policy, index, signed[index]!)),
    checkGas(state, policy),
  ];
}

function checkGrant(
  state: AccountState,
  { limits, name }: CompiledPolicy,
  index: number,
  signed: boolean,
): Check {
  const { grant, token } = limits[index]!;
  const check = `grant ${token.symbol}`;
  const balance = formatUnitsExact(state.limits[index]!.balanceUnits, token.decimals, 2);
  const holding = `; the account holds ${balance} ${token.symbol}.`;
  const { epoch, status } = decodeCounters(state.limits[index]!.countersWord);
  const install = `install the policy ${name} (bursar policy install)`;
  if (status === "revoked")
    return bad(check, "Revoked, for good.", `Give the policy a new salt, then ${install}.`);
  if (status === "unknown" && signed)
    return good(check, `Signed by the owner: the first operation under it grants it${holding}`);
  if (status === "unknown")
    return bad(
      check,
      "Not installed on the account.",
      `The owner has to ${install}, or bring a signature (ownerSignatures).`,
    );
  if (epoch !== state.epoch)
    return bad(check, "The owner revoked everything granted before.", `The owner has to ${install} anew.`);
  if (state.blockTimestamp >= grant.expiry)
    return bad(check, "Expired.", "Write a new policy with a later `expires`, and install it.");
  const { heartbeat } = grant.extras;
  if (heartbeat > 0n && state.blockTimestamp > state.lastHeartbeat + heartbeat)
    return bad(check, "The owner has not been heard of for too long.", "The owner sends a heartbeat.");
  return good(check, `In force${holding}`);
}

/** Enough for one operation at the highest fee that the policy allows. */
function checkGas({ depositWei, nativeWei }: AccountState, { limits }: CompiledPolicy): Check {
  const funds = depositWei + nativeWei;
  const most = limits.reduce((top, { grant }) => (grant.feeCap > top ? grant.feeCap : top), 0n);
  const words = `${etherUp(funds)} ETH for gas (deposit and own coin), at most ${etherUp(most)} ETH an operation`;
  return funds >= most
    ? good("gas", words)
    : bad("gas", words, "Send the account native coin, or deposit for it in the EntryPoint.");
}
