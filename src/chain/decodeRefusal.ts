import { decodeErrorResult, isHex, parseAbi, type Abi, type Hex } from "viem";

import { agentAccountAbi } from "./abi/agentAccount.ts";
import { decisionLogAbi } from "./abi/decisionLog.ts";
import { entryPointAbi } from "./abi/entryPoint.ts";
import { permissionSpenderAbi } from "./abi/permissionSpender.ts";
import { spendGrantAbi } from "./abi/spendGrant.ts";
import { refusalWords } from "./refusalWords.ts";
import type { Refusal } from "./errors.ts";

/** What an ERC-4337 code says, for the codes that people meet. */
const codes: Readonly<Record<string, string>> = {
  AA10: "the account exists already",
  AA13: "the account could not be deployed",
  AA20: "the account is not deployed",
  AA21: "the account can't pay the gas of the operation",
  AA22: "the operation's time has passed or has not come",
  AA23: "the account refused the operation",
  AA24: "the signature is not one the account accepts",
  AA25: "the nonce was used before",
  AA26: "validation took more gas than its limit",
  AA95: "the bundle ran out of gas",
};

/** What tokens revert with (EIP-6093): they are other people's contracts. */
const tokenErrors = parseAbi([
  "error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)",
  "error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed)",
  "error ERC20InvalidSender(address sender)",
  "error ERC20InvalidReceiver(address receiver)",
]);

/** Of contracts/SpendPolicyValidator.sol; its other errors are the account's. */
const moduleErrors = parseAbi(["error InstallDataNotAllowed(uint256 length)"]);

/** Of the delegation framework's manager, and of accounts that obey it: what a permission can be refused with. Enforcers say it in words. */
const managerErrors = parseAbi([
  "error CannotUseADisabledDelegation()",
  "error ECDSAInvalidSignatureLength(uint256 length)",
  "error EmptySignature()",
  "error EnforcedPause()",
  "error InvalidAuthority()",
  "error InvalidDelegate()",
  "error InvalidEOASignature()",
  "error InvalidERC1271Signature()",
  "error NotDelegationManager()",
]);

const abi = [
  ...entryPointAbi,
  ...agentAccountAbi,
  ...decisionLogAbi,
  ...spendGrantAbi,
  ...permissionSpenderAbi,
  ...managerErrors,
  ...moduleErrors,
  ...tokenErrors,
  { type: "error", name: "Error", inputs: [{ type: "string", name: "message" }] },
] as Abi;

/**
 * Revert data → who refused and why. Unknown data is shown as it is, never dropped.
 *
 * @param of whose law errors are of that policies and payers' grants share: the bytes don't say it, only who was called does
 */
export function decodeRefusal(data: Hex, of: "policy" | "grant" = "policy"): Refusal {
  let decoded: { errorName: string; args?: readonly unknown[] };
  try {
    decoded = decodeErrorResult({ abi, data }) as typeof decoded;
  } catch {
    return {
      code: null,
      error: data === "0x" ? "(no reason given)" : data.slice(0, 138),
      words: "a contract reverted without a reason this program knows",
    };
  }
  const args = decoded.args ?? [];
  if (decoded.errorName === "FailedOpWithRevert") {
    const code = String(args[1]).slice(0, 4);
    const inner = decodeRefusal(args[2] as Hex);
    return { code, error: inner.error, words: inner.words };
  }
  if (decoded.errorName === "FailedOp") {
    const code = String(args[1]).slice(0, 4);
    return { code, error: String(args[1]), words: codes[code] ?? String(args[1]) };
  }
  return {
    code: null,
    error: `${decoded.errorName}(${args.map(String).join(", ")})`,
    words: refusalWords(decoded.errorName, args, of),
  };
}

/** The revert data inside an RPC error, wherever the node put it. */
export function revertDataOf(error: unknown): Hex | undefined {
  const seen = new Set<unknown>();
  const queue: unknown[] = [error];
  while (queue.length > 0 && seen.size < 64) {
    const value = queue.shift();
    if (value === null || typeof value !== "object" || seen.has(value)) continue;
    seen.add(value);
    const { data, cause, error: nested } = value as { data?: unknown; cause?: unknown; error?: unknown };
    if (typeof data === "string" && isHex(data) && data.length >= 10) return data;
    queue.push(data, cause, nested);
  }
  return undefined;
}
