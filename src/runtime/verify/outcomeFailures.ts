import {
  compactSignatureToSignature,
  hexToBigInt,
  isAddressEqual,
  parseCompactSignature,
  recoverTypedDataAddress,
  serializeSignature,
  sliceHex,
  type Hex,
} from "viem";

import { finalBlock } from "../../chain/connectChain.ts";
import { entryPointAddress, fromUserOpJson, userOpHashOf } from "../../chain/entryPoint.ts";
import { operationStatus } from "../../chain/findReceipt.ts";
import { readAccount } from "../../chain/readAccount.ts";
import { encodeCalls, laneOf, operationTypedData, signatureForm } from "../../chain/signOperation.ts";
import { isExecuted, type Operation, type Receipt } from "../../core/operation.ts";
import type { Verdict } from "../../core/verdict.ts";
import { knowsOperation, operationRowOf } from "../../journal/operations.ts";
import { proveCalls } from "../../policy/proveCalls.ts";
import type { Outcome } from "../decisionMachine.ts";
import { agreementOn } from "../asking.ts";
import type { Deed } from "../deed.ts";
import type { House } from "../house.ts";
import { isSponsored, ownerSignatureIn } from "../steps/judge.ts";
import { successOf } from "../steps/settle.ts";
import type { ChainHistory } from "./chainHistory.ts";
import type { Evidence } from "./evidence.ts";
import { same } from "./recordFailures.ts";

/** How the decision ended, derived from the chain; the journal only says where to look. */
export async function outcomeFailures(
  house: House,
  evidence: Evidence,
  history: ChainHistory,
): Promise<readonly string[]> {
  const { action, deed, operations, outcome, settled, sent, signed, verdict } = evidence;
  const failures: string[] = [];
  const expectOutcome = (expected: string) => {
    if (outcome !== expected)
      failures.push(`The decision is recorded as "${outcome}" and ended as "${expected}".`);
  };
  if (!deed || signed?.refusal) {
    if (operations.length > 0 || sent || settled || signed?.operation || (!deed && signed))
      failures.push(`The decision is recorded as "${outcome}" and has an operation.`);
    expectOutcome(idleOutcome(action.action, deed ? undefined : verdict.kind));
    return failures;
  }
  const [operation] = operations;
  if (!operation || !settled || !sent) return ["The decision pays, and its operation is not in the journal."];
  if (!same(operation, signed?.operation)) failures.push("The operation is not the one that was signed.");

  const rehashed = operations.map((one) => ({
    ...one,
    userOpHash: userOpHashOf(house.chain.chainId, fromUserOpJson(one.userOp)),
  }));
  for (const [index, one] of operations.entries())
    failures.push(...(await operationFailures(house, evidence, deed, one, rehashed[index]!.userOpHash)));
  failures.push(...rowFailures(house, evidence));
  const { receipt } = settled;
  const landed = rehashed.find(({ userOpHash }) => history.operations.has(userOpHash));
  if (!landed) {
    const displaced = await isDisplaced(house, operation, history);
    expectOutcome(displaced ? "displaced" : "expired");
    const final = await finalBlock(house.chain);
    if (isExecuted(receipt)) failures.push("The operation's receipt is not on the chain.");
    else if (receipt.userOpHash !== rehashed[0]!.userOpHash)
      failures.push("The receipt is another operation's than the one that was signed.");
    if (!displaced && operations.some(({ validUntil }) => final.timestamp <= BigInt(validUntil)))
      failures.push("The operation is not on the chain and can still be included.");
    return failures;
  }
  const event = history.operations.get(landed.userOpHash)!;
  // The scanned event says where; its receipt is read anew, reason of a revert included.
  const status = await operationStatus(house.chain, [landed], event.blockNumber);
  if (!status.landed) return [...failures, "The operation has left the chain while it was checked."];
  const actual = status.landed.receipt;
  failures.push(...receiptFailures(receipt, actual));
  expectOutcome(actual.outcome === "success" ? successOf(action.action) : "reverted");
  const { treeRoot, treeSize } = evidence.sealed;
  if (
    !history.committed.some(
      (tree) => tree.transaction === event.transaction && tree.size === treeSize && tree.root === treeRoot,
    )
  )
    failures.push("The operation's transaction does not commit this decision as the tree's last leaf.");
  return failures;
}

/** Has the chain used the nonce for what this journal never signed? A later decision of ours may have the nonce of one that expired. */
async function isDisplaced(house: House, { userOp }: Operation, history: ChainHistory): Promise<boolean> {
  const nonce = BigInt(userOp.nonce);
  for (const [userOpHash, event] of history.operations)
    if (event.nonce === nonce) return !knowsOperation(house.journal, userOpHash);
  return (await readAccount(house.chain, house.account, house.policy, house.origin)).nonce > nonce;
}

/** The journal's row of the operation has to say what became of it. */
function rowFailures({ journal }: House, { decision, operations, outcome }: Evidence): readonly string[] {
  const row = operationRowOf(journal, decision.id);
  const [operation] = operations;
  const state = outcome === "expired" ? "expired" : "settled";
  return [
    ...(row?.user_op_hash === operation?.userOpHash ? [] : ["The operation's hash is not its content's."]),
    ...(row?.nonce === operation?.userOp.nonce && row?.state === state
      ? []
      : ["The journal's row of the operation is not what became of it."]),
  ];
}

/** How a decision without an operation ends. `verdict`: undefined where the chain refused what it allowed. */
function idleOutcome(action: string, verdict: Verdict["kind"] | undefined): Outcome {
  if (action === "hold") return "held";
  if (verdict === "ask") return "asked";
  return verdict === "allow" ? "noted" : "refused";
}

function receiptFailures(recorded: Receipt, actual: Receipt): readonly string[] {
  const one = recorded as unknown as Readonly<Record<string, string | number | null>>;
  const other = actual as unknown as Readonly<Record<string, string | number | null>>;
  return [...new Set([...Object.keys(one), ...Object.keys(other)])]
    .filter((name) => !same(one[name], other[name]))
    .map(
      (name) =>
        `The receipt's ${name} is ${one[name] ?? "missing"}; on the chain it is ${other[name] ?? "none"}.`,
    );
}

/** The stored bytes have to carry the payment that was decided, under the agent's own signature over this very tree. */
async function operationFailures(
  house: House,
  { observation, sealed }: Evidence,
  deed: Deed,
  operation: Operation,
  userOpHash: Hex,
): Promise<readonly string[]> {
  const { account, chain, policy } = house;
  const { calls, limit } = deed;
  const { userOp } = operation;
  const failures: string[] = [];
  const require = (holds: boolean, failure: string) => {
    if (!holds) failures.push(failure);
  };
  require(operation.userOpHash === userOpHash, "The operation's hash is not its content's.");
  require(operation.chainId === chain.chainId &&
    isAddressEqual(operation.entryPoint, entryPointAddress) &&
    isAddressEqual(userOp.sender, account), "The operation is for another chain or account.");
  require(userOp.callData.toLowerCase() ===
    encodeCalls(calls).toLowerCase(), "The operation carries another call than the record names.");
  require((userOp.paymaster !== undefined) ===
    isSponsored(observation), "Somebody else pays for the operation than was decided.");
  const nonce = hexToBigInt(userOp.nonce);
  require(nonce >> 64n === laneOf(policy.agent) &&
    nonce ===
      hexToBigInt(
        (sealed.fields["execution.nonce"] ?? "0x0") as Hex,
      ), "The operation has another nonce than the record names.");

  const { treeRoot, treeSize, validAfter, validUntil } = operation;
  require(treeSize === sealed.treeSize &&
    treeRoot ===
      sealed.treeRoot, "The operation commits another tree than the one that ends with this decision.");
  // kind (1 byte), agent (20), then the 64 bytes that the agent's key made.
  const signature = sliceHex(userOp.signature, 21, 85);
  const commitment = { validAfter, validUntil, treeSize, treeRoot };
  const proofs = proveCalls(calls, limit, policy.payeeTree, account);
  const ownerSignature = ownerSignatureIn(observation, limit);
  const approval = agreementOn(house, deed, observation)?.approval;
  const form = signatureForm({
    limit,
    calls,
    proofs,
    commitment,
    sponsored: userOp.paymaster !== undefined,
    ...(ownerSignature === undefined ? {} : { ownerSignature }),
    ...(approval ? { approval } : {}),
  });
  const field = form.encode(signature);
  const signer = await recoverTypedDataAddress({
    ...operationTypedData({
      chainId: chain.chainId,
      account,
      userOpHash,
      policyId: limit.policyId,
      commitment,
      tail: form.tail,
    }),
    signature: serializeSignature(compactSignatureToSignature(parseCompactSignature(signature))),
  });
  require(field.toLowerCase() === userOp.signature.toLowerCase() &&
    isAddressEqual(signer, policy.agent), "The agent did not sign this operation for this decision.");
  return failures;
}
