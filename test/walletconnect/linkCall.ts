import { encodeFunctionData, parseAbi, type Abi, type Address, type Hex } from "viem";

/** What a wallet makes of an EIP-681 link to a function of a contract on the test chain. */
export function linkCall(link: string): { readonly to: Address; readonly data: Hex } {
  const [, to, name, query] = /^ethereum:(0x[0-9a-fA-F]{40})@31337\/(\w+)(?:\?(.+))?$/.exec(link)!;
  const given = (query?.split("&") ?? []).map((part) => part.split("="));
  const abi: Abi = parseAbi<readonly string[]>([
    `function ${name!}(${given.map(([type]) => type!).join(",")})`,
  ]);
  const args = given.map(([type, value]) => (type!.startsWith("uint") ? BigInt(value!) : value));
  return { to: to as Address, data: encodeFunctionData({ abi, functionName: name!, args }) };
}
