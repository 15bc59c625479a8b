import { defineCommand } from "citty";
import { isHash, type Hex } from "viem";

import { BaseError } from "../core/errors.ts";
import type { CompiledPolicy } from "../policy/compile.ts";
import {
  addressOf,
  asking,
  maxFeeOf,
  openDesk,
  ownerArguments,
  tell,
  walletCalls,
  wayOf,
} from "./ownerArguments.ts";

export const revokeCommand = defineCommand({
  meta: {
    name: "revoke",
    description:
      "Ends policies for good, used or not. Example: bursar policy revoke policies/treasury.yaml --agent 0x… --config bursar.json --owner-keystore owner.json",
  },
  args: {
    what: {
      type: "positional",
      description: "Policy ids or files.",
      required: false,
      valueHint: "id|file …",
    },
    agent: {
      type: "string",
      description: "Whose policy a file is; without it, that of every agent that has it in force.",
      valueHint: "0x…",
    },
    all: {
      type: "boolean",
      description: "Everything at once, also what was only signed.",
      default: false,
    },
    freeze: {
      type: "boolean",
      description: "Stop all agents first, until the owner unfreezes.",
      default: false,
    },
    ...ownerArguments,
  },
  async run({ args }) {
    const [{ readPolicyFile, writeJson }, { compilePolicy }, { idsToRevoke, planRevoke }, { actAsOwner }] =
      await Promise.all([
        import("./policyFile.ts"),
        import("../policy/compile.ts"),
        import("../runtime/revokePolicy.ts"),
        import("../runtime/ownerDesk.ts"),
      ]);
    const maxFeeWei = maxFeeOf(args);
    const ids = args._.filter((word): word is Hex => isHash(word));
    const files = await Promise.all(args._.filter((word) => !isHash(word)).map(readPolicyFile));
    if (ids.length + files.length === 0 && !args.all && !args.freeze)
      throw new BaseError("It is not said what to revoke.", {
        remedy: "Name policy ids or files, or --all; --freeze alone stops every agent at once.",
      });
    tell("reading the account");
    const desk = await openDesk(args, files[0]?.document.chain);
    const agent = args.agent === undefined ? undefined : addressOf(args.agent, "--agent");
    const policies: CompiledPolicy[] = [];
    for (const { document } of files) {
      const found = await idsToRevoke(desk, (one) => compilePolicy(document, one), agent);
      if (found.ids.length === 0 && !args.all) throw notInForce(document.policy);
      ids.push(...found.ids);
      policies.push(...found.policies);
    }
    const plan = await planRevoke(desk, {
      policyIds: [...new Set(ids)],
      policies,
      all: args.all,
      freeze: args.freeze,
    });
    const said = {
      account: desk.account,
      owner: plan.ownership.owner,
      done: plan.done,
      actions: plan.actions.map(({ words }) => words),
      warnings: plan.warnings,
    };
    const finish = (result: Readonly<Record<string, unknown>>, words: string) =>
      args.json ? writeJson({ ...said, ...result }) : process.stdout.write(`${words}\n`);
    const say = args.calldata ? process.stderr : process.stdout;
    if (!args.json)
      say.write(
        [...plan.done, ...plan.warnings.map((words) => `Warning: ${words}`)]
          .map((line) => `${line}\n`)
          .join(""),
      );
    if (args.calldata) {
      const calls = walletCalls(plan.actions);
      return args.json ? writeJson({ ...said, calls }) : writeJson(calls);
    }
    if (plan.actions.length === 0) return finish({ transactions: [] }, "Nothing to do.");
    const { agree, fee } = asking(`${plan.actions.map(({ words }) => words).join("; ")}. Do it?`, args);
    const options = { agree, maxFeeWei, onProgress: tell };
    const transactions = await actAsOwner(
      desk,
      plan.ownership.owner,
      plan.actions,
      wayOf(args, desk),
      options,
    );
    if (transactions === null)
      return finish({ transactions: [], revoked: false, mostFee: fee.most }, "Nothing was done.");
    finish({ transactions, mostFee: fee.most }, `Done: ${transactions.join(", ")}`);
  },
});

/** What was only signed has no agent on the chain to be found by, and works once it is brought. */
const notInForce = (policy: string) =>
  new BaseError(`${policy} is in force for no agent of the account, so it is not known what to revoke.`, {
    remedy:
      "Name whose it is with --agent: its grants are revoked used or not, also those that were only signed. Or revoke everything with --all; --freeze alone stops every agent at once.",
  });
