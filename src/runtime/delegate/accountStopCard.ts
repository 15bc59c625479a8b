import { connectChain } from "../../chain/connectChain.ts";
import { depositOf } from "../../chain/gasFunds.ts";
import { nativeToken, showUnits, type Token } from "../../policy/registry.ts";
import type { Config } from "../config.ts";
import { isCoin } from "./explainAccount.ts";
import type { OwnAccount } from "./ownAccount.ts";
import { balanceOf } from "./readAccountBudget.ts";
import { accountStopsOf, type Stop } from "./stopCard.ts";

/** The stop card of an account of the payer's own, with what it holds now; where the chain can't say that, without. */
export async function stopCardOf(
  { chain: where }: Pick<Config, "chain">,
  own: OwnAccount,
): Promise<readonly Stop[]> {
  const { account, delegations, made, origin } = own;
  return accountStopsOf({
    chainId: where.chainId,
    account,
    origin,
    made,
    limits: delegations.map(({ id, token }) => ({ symbol: token.symbol, policyId: id })),
    // To stop comes before to take out: no chain that is away keeps anybody from being told how.
    ...(await heldBy(where, own).catch(() => ({ holds: [] }))),
  });
}

async function heldBy(where: Config["chain"], { account, delegations }: OwnAccount) {
  const chain = await connectChain(where);
  const tokens: readonly Token[] = [
    nativeToken,
    ...delegations.map(({ token }) => token).filter(({ address }) => !isCoin(address)),
  ];
  const [depositWei, ...holds] = await Promise.all([
    depositOf(chain, account),
    ...tokens.map(async (token) => {
      const units = await balanceOf(chain, token.address, account);
      return { asset: token.address, units, words: showUnits(units, token) };
    }),
  ]);
  return { depositWei, holds: holds.filter(({ units }) => units > 0n) };
}
