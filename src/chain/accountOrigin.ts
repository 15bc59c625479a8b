import {
  concatHex,
  decodeFunctionData,
  encodeAbiParameters,
  encodeFunctionData,
  getCreate2Address,
  isAddressEqual,
  keccak256,
  numberToHex,
  pad,
  toHex,
  type Address,
  type Hex,
  type StateOverride,
} from "viem";

import { BaseError } from "../core/errors.ts";
import { agentAccountFactoryAbi } from "./abi/agentAccountFactory.ts";
import { ask, requireCode, type Chain } from "./connectChain.ts";
import { agentAccountDeployment, agentAccountFactoryDeployment } from "./deploy.ts";

/**
 * Whose an AgentAccount is that need not be there yet. Its address follows from this, so nobody else can be there first: whoever makes
 * it makes the owner's account.
 */
export type AccountOrigin = {
  readonly owner: Address;
  /** 32 bytes. */
  readonly salt: Hex;
};

/** The account at the address is not the one that the origin makes. */
export class AccountOriginError extends BaseError {
  override readonly name = "AccountOriginError";
}

const { address: factory } = agentAccountFactoryDeployment;
const { address: implementation } = agentAccountDeployment;

/** Code of every account of the factory, an ERC-1167 clone of the one implementation. */
export const accountCode: Hex = concatHex([
  "0x363d3d373d3d3d363d73",
  implementation,
  "0x5af43d82803e903d91602b57fd5bf3",
]);
/** What copies the code that follows it. */
const copying: Hex = "0x3d602d80600a3d3981f3";

/** Twin of `AgentAccountFactory.getAddress`. */
export const accountOf = ({ owner, salt }: AccountOrigin): Address =>
  getCreate2Address({
    from: factory,
    salt: keccak256(encodeAbiParameters([{ type: "address" }, { type: "uint256" }], [owner, BigInt(salt)])),
    bytecode: concatHex([copying, accountCode]),
  });

/** The factory call that makes the account, by anybody; again, it changes nothing. */
export const creationOf = ({
  owner,
  salt,
}: AccountOrigin): { readonly factory: Address; readonly factoryData: Hex } => ({
  factory,
  factoryData: encodeFunctionData({
    abi: agentAccountFactoryAbi,
    functionName: "createAccount",
    args: [owner, BigInt(salt)],
  }),
});

/** Slot of the account's owner, with nothing else in it at first: the third behind erc7201("bursar.AgentAccount"). */
const ownerSlot = numberToHex(
  (BigInt(keccak256(numberToHex(BigInt(keccak256(toHex("bursar.AgentAccount"))) - 1n, { size: 32 }))) &
    ~0xffn) +
    2n,
  { size: 32 },
);

/** For a node: the account as it is right after it was made. Undefined where something else than our factory makes it. */
export function asMade(operation: {
  readonly factory?: Address | undefined;
  readonly factoryData?: Hex | undefined;
}): StateOverride | undefined {
  const { factoryData } = operation;
  if (operation.factory === undefined || factoryData === undefined) return undefined;
  if (!isAddressEqual(operation.factory, factory)) return undefined;
  const { args, functionName } = decodeFunctionData({ abi: agentAccountFactoryAbi, data: factoryData });
  if (functionName !== "createAccount") return undefined;
  const [owner, salt] = args;
  return [
    {
      address: accountOf({ owner, salt: numberToHex(salt, { size: 32 }) }),
      code: accountCode,
      stateDiff: [{ slot: ownerSlot, value: pad(owner) }],
    },
  ];
}

/**
 * Holds what follows offline against the chain: its factory is ours and names the same address, and what lies there, if anything, is the
 * factory's own.
 *
 * @returns whether the account is there already
 * @throws AccountOriginError · MissingContractError where the chain has no factory
 */
export async function requireOrigin(chain: Chain, account: Address, origin: AccountOrigin): Promise<boolean> {
  const refuse = (words: string, facts: Readonly<Record<string, string>>): never => {
    throw new AccountOriginError(words, {
      remedy: "Send nothing to it. Correct owner, salt and account of the configuration together.",
      facts: { account, owner: origin.owner, salt: origin.salt, ...facts },
    });
  };
  const derived = accountOf(origin);
  if (!isAddressEqual(derived, account))
    refuse("The configuration's account is not the one that its owner and salt make.", { derived });
  await requireCode(chain, "factory of accounts", factory);
  const [told, code] = await ask(chain, () =>
    Promise.all([
      chain.client.readContract({
        address: factory,
        abi: agentAccountFactoryAbi,
        functionName: "getAddress",
        args: [origin.owner, BigInt(origin.salt)],
      }),
      chain.client.getCode({ address: account }),
    ]),
  );
  if (!isAddressEqual(told, account))
    refuse("The chain's factory makes the account somewhere else.", { told });
  const made = code !== undefined && code !== "0x";
  if (made && code.toLowerCase() !== accountCode.toLowerCase())
    refuse("Something else lies where the account is to be.", { code: code.slice(0, 66) });
  return made;
}
