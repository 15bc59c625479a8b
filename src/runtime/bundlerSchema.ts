import * as z from "zod";

const own = z.strictObject({
  kind: z.literal("own"),
  keystore: z.string().min(1),
  passwordFile: z.string().min(1).optional(),
  /** Most that the purse pays for one operation, of which the EntryPoint pays back what the account was charged. */
  perOperation: z
    .string()
    .regex(/^\d{1,9}(\.\d{1,18})? ETH$/, 'has to be an amount like "0.05 ETH"')
    .exactOptional(),
});
const rpc = z.strictObject({ kind: z.literal("rpc"), url: z.url({ protocol: /^https?$/ }) });
const one = z.discriminatedUnion("kind", [own, rpc]);
/** Asked in this order when the one before refuses, does not answer, or gets nothing included. */
const fallback = { fallback: z.array(one).min(1).max(4).optional() };

export type OneBundler = z.infer<typeof one>;
export type BundlerConfig = OneBundler & { readonly fallback?: readonly OneBundler[] | undefined };

/** Who carries operations to the chain, and who else when that one does not. */
export const bundlerSchema = z
  .discriminatedUnion("kind", [own.extend(fallback), rpc.extend(fallback)])
  .refine((all) => bundlersOf(all).filter(({ kind }) => kind === "own").length < 2, {
    message: "has two bundlers in the process; one purse is enough",
    path: ["fallback"],
  });

/** All of them, the first one first. */
export function bundlersOf(config: BundlerConfig): readonly [OneBundler, ...OneBundler[]] {
  const { fallback: others = [], ...first } = config;
  return [first, ...others];
}

/** Makes paths absolute. */
export function resolveBundlers(config: BundlerConfig, at: (path: string) => string): BundlerConfig {
  const resolved = (bundler: OneBundler): OneBundler =>
    bundler.kind === "rpc"
      ? bundler
      : {
          ...bundler,
          keystore: at(bundler.keystore),
          ...(bundler.passwordFile === undefined ? {} : { passwordFile: at(bundler.passwordFile) }),
        };
  const [first, ...others] = bundlersOf(config).map(resolved) as [OneBundler, ...OneBundler[]];
  return others.length === 0 ? first : { ...first, fallback: others };
}
