// How MetaMask answers ERC-7715, after its own snap: a delegation with its caveats, signed, in a context; or something else, as hostile wallets do.
import { concatHex, hexToBigInt, numberToHex, type Address, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { expiryTerms, noValueTerms, periodTerms } from "../../src/chain/delegationFramework.ts";
import { contextOf, delegationFor, framework, signDelegation } from "../integration/framework.ts";
import type { AnswerMode } from "./walletMessages.ts";

type Permission = {
  readonly type: string;
  readonly isAdjustmentAllowed: boolean;
  readonly data: {
    readonly tokenAddress: Address;
    readonly periodAmount: Hex;
    readonly periodDuration: number;
    readonly startTime: number;
    readonly justification: string;
  };
};
/** What is asked, by the name of today and by the one before. */
export type PermissionParams = { readonly chainId: Hex; readonly permission: Permission } & (
  | {
      readonly from: Address;
      readonly to: Address;
      readonly rules: readonly { readonly type: string; readonly data: { readonly timestamp: number } }[];
    }
  | {
      readonly address: Address;
      readonly expiry: number;
      readonly isAdjustmentAllowed: boolean;
      readonly signer: { readonly type: string; readonly data: { readonly address: Address } };
    }
);

export async function permit(
  signer: PrivateKeyAccount,
  stranger: PrivateKeyAccount,
  asked: PermissionParams,
  mode: AnswerMode,
): Promise<unknown> {
  const { data } = asked.permission;
  const isOld = "address" in asked;
  const terms = {
    account: isOld ? asked.address : asked.from,
    spender: isOld ? asked.signer.data.address : asked.to,
    token: data.tokenAddress,
    perPeriod: hexToBigInt(data.periodAmount),
    period: data.periodDuration,
    start: data.startTime,
    expiry: isOld ? asked.expiry : asked.rules[0]!.data.timestamp,
  };
  const context = await contextFor(signer, stranger, terms, mode);
  const granted = answered(asked, stranger.address, mode);
  const needed = mode === "dependencies" ? [{ factory: stranger.address, factoryData: "0x1234" }] : [];
  const manager = mode === "otherManager" ? framework.account : framework.manager;
  const answer = {
    ...granted,
    context,
    ...(isOld
      ? { accountMeta: needed, signerMeta: { delegationManager: manager } }
      : { dependencies: needed, delegationManager: manager }),
    ...(mode === "anotherField" ? { alsoPermits: "everything" } : {}),
  };
  return mode === "twoPermissions" ? [answer, answer] : [answer];
}

/** What it says that it permits. */
function answered(asked: PermissionParams, stranger: Address, mode: AnswerMode): object {
  const { permission } = asked;
  const data = {
    ...permission.data,
    ...(mode === "otherToken" ? { tokenAddress: stranger } : {}),
    ...(mode === "moreAmount"
      ? { periodAmount: numberToHex(hexToBigInt(permission.data.periodAmount) + 1n) }
      : {}),
    ...(mode === "shorterPeriod" ? { periodDuration: permission.data.periodDuration - 1 } : {}),
    ...(mode === "earlierStart" ? { startTime: permission.data.startTime - 1 } : {}),
  };
  const common = {
    ...asked,
    chainId: mode === "otherChain" ? "0x1" : asked.chainId,
    permission: { ...permission, data },
  };
  if ("address" in asked)
    return {
      ...common,
      ...(mode === "otherFrom" ? { address: stranger } : {}),
      ...(mode === "laterExpiry" ? { expiry: asked.expiry + 1 } : {}),
      ...(mode === "otherTo" ? { signer: { type: "account", data: { address: stranger } } } : {}),
    };
  const later = { type: "expiry", data: { timestamp: asked.rules[0]!.data.timestamp + 1 } };
  return {
    ...common,
    ...(mode === "otherFrom" ? { from: stranger } : {}),
    ...(mode === "otherTo" ? { to: stranger } : {}),
    ...(mode === "laterExpiry" ? { rules: [later] } : {}),
    ...(mode === "anotherRule" ? { rules: [...asked.rules, { ...later, type: "redeemer" }] } : {}),
  };
}

/** What it signs. */
async function contextFor(
  signer: PrivateKeyAccount,
  stranger: PrivateKeyAccount,
  terms: Parameters<typeof delegationFor>[0],
  mode: AnswerMode,
): Promise<Hex> {
  const right = delegationFor(terms, BigInt(Date.now()));
  const [period, value, timestamp] = right.caveats as [
    (typeof right.caveats)[number],
    (typeof right.caveats)[number],
    (typeof right.caveats)[number],
  ];
  const signed =
    mode === "forAnybody"
      ? { ...right, delegate: "0x0000000000000000000000000000000000000a11" as Address }
      : mode === "forStranger"
        ? { ...right, delegate: stranger.address }
        : mode === "outOfStranger"
          ? { ...right, delegator: stranger.address }
          : mode === "handedOn"
            ? { ...right, authority: `0x${"12".repeat(32)}` as const }
            : { ...right, caveats: caveatsFor(mode) };

  function caveatsFor(wanted: AnswerMode) {
    switch (wanted) {
      case "moreSigned":
        return [{ ...period, terms: periodTerms({ ...terms, perPeriod: 1n << 200n }) }, value, timestamp];
      case "blindEnforcer":
        return [{ ...period, enforcer: framework.blind }, value, timestamp];
      case "blindClock":
        return [period, value, { ...timestamp, enforcer: framework.blind }];
      case "laterSigned":
        return [period, value, { ...timestamp, terms: expiryTerms(terms.expiry + 1) }];
      case "unlimitedSigned":
        return [value, timestamp];
      case "anotherCaveat":
        return [period, value, timestamp, { ...value, terms: concatHex([noValueTerms, "0x01"]) }];
      default:
        return [period, value, timestamp];
    }
  }

  if (mode === "garbage") return "0xdeadbeef";
  const by = mode === "signedByStranger" || mode === "outOfStranger" ? stranger : signer;
  const signature = mode === "unsigned" ? "0x" : await signDelegation(by, signed);
  const delegation = { ...signed, signature };
  return mode === "twoSigned" ? contextOf(delegation, delegation) : contextOf(delegation);
}
