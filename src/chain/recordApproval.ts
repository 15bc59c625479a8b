import { encodeFunctionData, type Address, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { isDeployed } from "./isDeployed.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import type { NamedApproval } from "./checkApproval.ts";
import { ask, type Chain } from "./connectChain.ts";
import { sendTransaction } from "./deploy.ts";
import { ChainRefusalError, TransactionError } from "./errors.ts";
import { readApproval } from "./readApproval.ts";

/** A wallet of ten owners takes less than a quarter of it; a contract that burns gas would burn the sender's coin. */
const mostGas = 1_000_000n;

/**
 * Puts what a contract signed (ERC-1271) on the account's record, by a plain transaction of `sender`: validation can't ask contracts.
 *
 * @returns whether it is there; false where the account or the approver has no code, or that one says that it did not sign this, or takes
 * more than a million gas to say that it did
 * @throws TransactionError while another transaction of the sender waits for a block: it may be this one · what `sendTransaction` throws
 */
export async function recordApproval(
  chain: Chain,
  sender: PrivateKeyAccount,
  name: NamedApproval,
  signature: Hex,
): Promise<boolean> {
  const { account, approver, callHash, deadline, nonce, policyId } = name;
  for (const contract of [account, approver]) if (!(await isDeployed(chain, contract))) return false;
  // An attempt before this one may have failed only in hearing of its success.
  if ((await readApproval(chain, account, name)) === "recorded") return true;
  await requireNothingWaits(chain, sender.address);
  try {
    await sendTransaction(chain, sender, {
      to: account,
      data: encodeFunctionData({
        abi: agentAccountAbi,
        functionName: "recordApproval",
        args: [approver, policyId, callHash, nonce, deadline, signature],
      }),
      onFee(mostWei, maxFeePerGasWei) {
        if (mostWei > mostGas * maxFeePerGasWei)
          throw new ChainRefusalError({ code: null, error: "dear", words: `takes more than ${mostGas} gas` });
      },
    });
    return true;
  } catch (error) {
    // The account asks the approver while gas is estimated: nothing was sent, then or when it would cost too much.
    if (error instanceof ChainRefusalError) return false;
    throw error;
  }
}

/** However often it is tried, one transaction at a time is paid for. */
async function requireNothingWaits(chain: Chain, sender: Address): Promise<void> {
  const count = (blockTag: "latest" | "pending") =>
    ask(chain, () => chain.client.getTransactionCount({ address: sender, blockTag }));
  const [mined, sent] = await Promise.all([count("latest"), count("pending")]);
  if (sent > mined)
    throw new TransactionError("An earlier transaction of the sender is in no block yet.", { sender });
}
