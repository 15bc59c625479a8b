// mailauth publishes no types for this module. Only what alignment.ts uses; checked by its tests.
declare module "mailauth/lib/tools.js" {
  /** RFC 7489 §3.1.1 relaxed alignment through the Public Suffix List; the aligned entry, or false. */
  export function getAlignment(
    fromDomain: string,
    domains: readonly string[],
    strict?: boolean,
  ): { readonly domain: string } | false;
}
