import { isAddressEqual, type Address, type Hex } from "viem";

import { signedApproval, type NamedApproval } from "../chain/checkApproval.ts";
import type { Chain } from "../chain/connectChain.ts";
import { readApproval } from "../chain/readApproval.ts";
import type { Ask } from "../core/approval.ts";
import { answerAsk, askOfLeaf } from "../journal/asks.ts";
import type { JournalDatabase } from "../journal/openJournal.ts";

/** What came back for an ask, from wherever it was put to people. */
export type GivenAnswer = { readonly leaf: Hex; readonly channel: string; readonly atMs: number } & (
  | { readonly state: "declined" }
  | {
      readonly state: "approved";
      readonly approver: Address;
      /** Of the EIP-712 `Approval`; `0x` when it is recorded on the account. */
      readonly signature: Hex;
    }
);

/** Where answers are taken in. */
export type AnswerDesk = {
  /** Whose asks may be answered here. */
  readonly agents: readonly string[];
  readonly chain: Chain;
  readonly journal: JournalDatabase;
  /** Puts a contract's signature on the account's record; without it, whoever says yes has to. */
  readonly record?: (name: NamedApproval, signature: Hex) => Promise<boolean>;
};

/**
 * Takes an answer in if it is one: by somebody who was asked, to exactly what was asked. The first counts; every other is harmless.
 *
 * @returns why it is none, for people; undefined when it was taken, or came after another
 * @throws the chain's errors where an approval on record is to be looked up
 */
export async function takeAnswer(desk: AnswerDesk, given: GivenAnswer): Promise<string | undefined> {
  const { agents, journal } = desk;
  const row = askOfLeaf(journal, given.leaf);
  if (!row || !agents.includes(row.ask.agent)) return "No agent here has asked for this.";
  if (row.state !== "open") return undefined;
  if (given.state === "declined") {
    answerAsk(journal, given);
    return undefined;
  }
  const { approver } = given;
  if (!row.ask.approvers.some(({ address }) => isAddressEqual(address, approver)))
    return `${approver} was not asked.`;
  const signature = await checked(desk, row.ask, given);
  if (signature === undefined)
    return given.signature === "0x"
      ? "The account has no such approval on record."
      : `${approver} did not sign this approval.`;
  answerAsk(journal, { ...given, signature });
  return undefined;
}

/** The signature as the account takes it; undefined: it is not good. */
async function checked(
  { chain, record }: AnswerDesk,
  ask: Ask,
  { approver, signature }: { readonly approver: Address; readonly signature: Hex },
): Promise<Hex | undefined> {
  const name = approvalNameOf(ask, approver);
  if (signature !== "0x") {
    const byKey = await signedApproval(name, signature);
    if (byKey !== undefined || !record) return byKey;
    return (await record(name, signature)) ? "0x" : undefined;
  }
  return (await readApproval(chain, ask.account, name)) === "recorded" ? "0x" : undefined;
}

/** The approval that one of those who are asked would give. */
export const approvalNameOf = (ask: Ask, approver: Address) => ({
  chainId: ask.chainId,
  account: ask.account,
  approver,
  policyId: ask.policyId,
  callHash: ask.callHash,
  nonce: BigInt(ask.nonce),
  deadline: BigInt(ask.deadline),
});
