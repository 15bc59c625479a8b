import { hashMessage, isAddressEqual, type Address } from "viem";
import { createSiweMessage } from "viem/siwe";

import { ask, newestBlock } from "../../chain/connectChain.ts";
import { permissionMethods, type WalletAccount, type WalletSession } from "../../core/walletLink.ts";
import { answerOf, DelegationError, expirySeconds, hostile, unlessStopped } from "./answers.ts";
import type { MeetingOptions } from "./handOverOptions.ts";
import { keySignature } from "./keySignature.ts";

const methods = [
  "personal_sign",
  "eth_signTypedData_v4",
  "eth_sendTransaction",
  ...permissionMethods,
] as const;
/**
 * Shows a code, waits for the wallet that scans it, and finds out whose it is: the account is the expected one or was confirmed here, and
 * signs a text that no wallet was shown before.
 *
 * @throws DelegationError
 */
export async function meetWallet(
  options: MeetingOptions,
): Promise<{ readonly session: WalletSession; readonly account: Address }> {
  const session = await pair(options);
  try {
    const account = await settleAccount(options, session);
    options.tell({ kind: "connected", session, account });
    await signIn(options, session.topic, { chainId: options.chain.chainId, address: account });
    return { session, account };
  } catch (error) {
    // A session that came to nothing is not left open; the wallet may be away by now.
    await options.link.disconnect(session.topic).catch(() => undefined);
    throw error;
  }
}

async function pair({ chain, link, signal, tell }: MeetingOptions): Promise<WalletSession> {
  const proposal = await link.connect({ chains: [chain.chainId], methods });
  const stop = () => proposal.cancel();
  signal.addEventListener("abort", stop, { once: true });
  // It may have been stopped while the relay took the proposal: nobody hears of that any more.
  if (signal.aborted) stop();
  else tell({ kind: "uri", uri: proposal.uri });
  try {
    const settled = await proposal.settled;
    if (settled.outcome === "approved") return settled.session;
    if (signal.aborted)
      throw new DelegationError("It was stopped.", { remedy: "Nothing more is done. Start again." });
    throw new DelegationError(
      settled.outcome === "rejected"
        ? "The wallet declined to connect."
        : settled.outcome === "unfit"
          ? `The wallet approved something else than was asked: ${settled.why}.`
          : "No wallet connected in time.",
      {
        remedy:
          settled.outcome === "unfit"
            ? `Choose an account on chain ${chain.chainId} in the wallet; a wallet that does not know the chain has to be told of it first.`
            : "Start again, and scan the new code within five minutes.",
      },
    );
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Whoever sees the code may answer it first: the account counts only if it is the expected one, or was looked at here. */
async function settleAccount(
  { chain, confirm, expected }: MeetingOptions,
  session: WalletSession,
): Promise<Address> {
  const accounts = session.accounts.filter(({ chainId }) => chainId === chain.chainId);
  const found =
    expected === undefined ? accounts[0] : accounts.find(({ address }) => isAddressEqual(address, expected));
  if (!found)
    throw new DelegationError(
      expected === undefined
        ? `The wallet has no account on chain ${chain.chainId} in the session.`
        : `The wallet that connected is another one's: it has ${accounts.map(({ address }) => address).join(", ") || "no account"}, and ${expected} was expected.`,
      { remedy: "Show the code to nobody but the payer, and start again." },
    );
  if (
    expected === undefined &&
    !(await confirm(
      "account",
      `A wallet that calls itself "${printable(session.claims.name)}" connected with ${found.address}. Is that the account that your wallet shows?`,
    ))
  )
    throw new DelegationError("The account was not confirmed.", { remedy: "Start again with a new code." });
  return found.address;
}

/** The first request: a text that only this session's wallet is shown, so that an old signature is worth nothing. */
async function signIn(
  { agent, chain, link, randomSecret, signal, site, tell }: MeetingOptions,
  topic: string,
  account: WalletAccount,
): Promise<void> {
  const nonce = randomSecret().slice(2, 34);
  const text = createSiweMessage({
    address: account.address,
    chainId: account.chainId,
    domain: new URL(site).host,
    uri: site,
    version: "1",
    nonce,
    statement: `Sign in to delegate to the agent ${printable(agent.name)}. This moves no money and grants nothing.`,
    issuedAt: new Date(Number((await newestBlock(chain)).timestamp) * 1000),
  });
  tell({ kind: "asked", what: "sign-in" });
  const answer = answerOf(
    await unlessStopped(
      signal,
      link.requestText(topic, account, text, { id: `sign-in:${nonce}`, expirySeconds }),
    ),
    "sign in",
  );
  const { address } = account;
  const signature = await keySignature(address, hashMessage(text), answer);
  if (!(await ask(chain, () => chain.client.verifyMessage({ address, message: text, signature }))))
    throw hostile("The sign-in is not signed by the account of the session.");
}

/** A stranger's name within a sentence that is asked or signed: it can't turn the direction of writing, or end the sentence. */
const printable = (text: string): string => text.replaceAll(/[^\p{L}\p{N} ._-]/gu, "").slice(0, 64);
