import { encodeAbiParameters, numberToHex, zeroAddress, type Address, type Hex } from "viem";

import { packTerms } from "../../src/policy/grant.ts";
import { signatureKind, type LawOperation } from "../../src/policy/law.ts";
import { ruleParameter } from "../../src/policy/rule.ts";

/** r, vs with an s that nobody accepts: the law goes through, and says at the end that nobody signed. */
const noSignature = `${"11".repeat(32)}${"7f".repeat(32)}`;

const tailParameter = {
  type: "tuple",
  components: [
    { name: "asset", type: "address" },
    { name: "payees", type: "bytes32" },
    {
      name: "extras",
      type: "tuple",
      components: [
        { name: "rules", type: "bytes32" },
        { name: "functions", type: "uint256" },
        { name: "approvers", type: "bytes32" },
        { name: "ceiling", type: "uint256" },
        { name: "operations", type: "uint256" },
        { name: "operationsPerWindow", type: "uint256" },
        { name: "paymaster", type: "address" },
        { name: "heartbeat", type: "uint256" },
      ],
    },
    {
      name: "proofs",
      type: "tuple[]",
      components: [
        { name: "path", type: "bytes32[]" },
        { name: "rule", type: "bytes" },
      ],
    },
    {
      name: "approval",
      type: "tuple",
      components: [
        { name: "approver", type: "address" },
        { name: "path", type: "bytes32[]" },
        { name: "nonce", type: "uint256" },
        { name: "deadline", type: "uint256" },
        { name: "signature", type: "bytes" },
      ],
    },
    { name: "ownerSignature", type: "bytes" },
  ],
} as const;

/** The bytes of an agent's signature, which nobody signed. */
export function encodeUnsigned(operation: LawOperation): Hex {
  const { kind, claim, named, bytes } = operation;
  const size = (value: bigint, length: number) => numberToHex(value, { size: length }).slice(2);
  let end = operation.payeePath.map((node) => node.slice(2)).join("");
  if (kind === signatureKind.grantInside) end += noSignature;
  if (kind === signatureKind.empty) end = named.grant.asset.slice(2) + named.grant.payees.slice(2);
  if (kind === signatureKind.ruled) end = encodeTail(operation);
  const whole = [
    size(BigInt(kind), 1),
    named.grant.agent.slice(2),
    noSignature,
    size(claim.validAfter, 4),
    size(claim.validUntil - claim.validAfter, 2),
    size(operation.treeSize, 4),
    "22".repeat(32),
    packTerms(named.grant, named.units).slice(2),
    end,
  ].join("");
  if (!bytes) return `0x${whole}`;
  // 100 bytes: into what has to be there, as a last word may be padding, which nobody looks at.
  const length = bytes.tail === "broken" ? whole.length - 200 : Number(bytes.signatureLength) * 2;
  return `0x${whole.slice(0, length).padEnd(length, "0")}`;
}

function encodeTail({ named, proofs, approval, ownerSignatureLength }: LawOperation): string {
  const dummy = (length: bigint): Hex =>
    `0x${noSignature.slice(0, Number(length) * 2).padEnd(Number(length) * 2, "3")}`;
  const { asset, payees, extras } = named.grant;
  const none = {
    approver: zeroAddress,
    path: [],
    nonce: 0n,
    deadline: 0n,
    signatureLength: 0n,
  };
  const { signatureLength, ...sent } = approval ?? none;
  const encoded = encodeAbiParameters(
    [tailParameter],
    [
      {
        asset,
        payees,
        extras,
        proofs: proofs.map(({ path, rule }) => ({
          path,
          rule: rule ? encodeAbiParameters([ruleParameter], [rule]) : "0x",
        })),
        approval: { ...sent, signature: dummy(signatureLength) },
        ownerSignature: dummy(ownerSignatureLength),
      },
    ],
  );
  return encoded.slice(2);
}

/** Call of the harness's `validate(address,PackedUserOperation)`. By hand: this is most of what a run encodes. */
export function encodeValidate(account: Address, operation: LawOperation): Hex {
  const word = (value: bigint) => value.toString(16).padStart(64, "0");
  const paymaster = operation.paymaster === null ? "" : `${operation.paymaster.slice(2)}${"00".repeat(32)}`;
  const parts = ["", operation.callData.slice(2), paymaster, encodeUnsigned(operation).slice(2)];
  let offset = 9n * 32n;
  const offsets: string[] = [];
  const tails = parts.map((part) => {
    const padded = part.padEnd(Math.ceil(part.length / 64) * 64, "0");
    offsets.push(word(offset));
    offset += 32n + BigInt(padded.length / 2);
    return word(BigInt(part.length / 2)) + padded;
  });
  // The required prefund is gas times price: with a price of one wei it is any number we like.
  return `0x${validateSelector}${word(BigInt(account))}${word(64n)}${word(BigInt(account))}${word(operation.nonceKey << 64n)}${offsets[0]}${offsets[1]}${word(0n)}${word(operation.prefundWei)}${word(1n)}${offsets[2]}${offsets[3]}${tails.join("")}`;
}

/** validate(address,(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)) */
const validateSelector = "ce5a806b";
