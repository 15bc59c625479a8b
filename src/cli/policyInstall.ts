import { defineCommand } from "citty";

import { BaseError } from "../core/errors.ts";
import type { InstallPlan } from "../runtime/installPolicy.ts";
import type { OwnerDesk } from "../runtime/ownerDesk.ts";
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

export const installCommand = defineCommand({
  meta: {
    name: "install",
    description:
      "Says what a policy allows and the most that can be lost, then grants it with one signature. Example: bursar policy install policies/treasury.yaml --agent 0x… --config bursar.json --owner-keystore owner.json",
  },
  args: {
    file: {
      type: "positional",
      description: "The policy, YAML or JSON; - reads the standard input.",
      required: true,
    },
    agent: { type: "string", description: "The agent's address.", required: true, valueHint: "0x…" },
    replace: {
      type: "string",
      description: "The policy that it takes the place of: what was spent under it counts on.",
      valueHint: "file",
    },
    "sign-only": {
      type: "boolean",
      description:
        "Only sign the grants (EIP-712), for the agent's first operation or for anybody to bring; no gas.",
      default: false,
    },
    "by-signature": {
      type: "string",
      description: "Bring the grants with the owner's signatures in this file, as --sign-only writes it.",
      valueHint: "file",
    },
    ...ownerArguments,
  },
  async run({ args }) {
    const [
      { readPolicyFile, writeJson },
      install,
      { actAsOwner, sendByKey },
      { now },
      { readOwnerSignatures },
    ] = await Promise.all([
      import("./policyFile.ts"),
      import("../runtime/installPolicy.ts"),
      import("../runtime/ownerDesk.ts"),
      import("../runtime/clock.ts"),
      import("../runtime/ownerSignatures.ts"),
    ]);
    if (args["sign-only"] && (args["by-signature"] !== undefined || args.calldata))
      throw new BaseError("--sign-only makes signatures; --by-signature and --calldata make calls.", {
        remedy: "Sign first, then bring what was signed.",
      });
    const maxFeeWei = maxFeeOf(args);
    const agent = addressOf(args.agent, "--agent");
    const { document } = await readPolicyFile(args.file);
    const replaces = args.replace === undefined ? undefined : (await readPolicyFile(args.replace)).document;
    tell("reading the account");
    const desk = await openDesk(args, document.chain);
    const plan = await install.planInstall(desk, {
      document,
      agent,
      replaces,
      now: Math.floor(now() / 1000),
    });
    const said = await describe(plan, desk);
    // What is data for another program comes alone on stdout.
    const prose = args["sign-only"] || args.calldata ? process.stderr : process.stdout;
    if (!args.json) prose.write(`${inWords(said)}\n`);
    const finish = (result: Readonly<Record<string, unknown>>, words: string) =>
      args.json ? writeJson({ ...said, ...result }) : process.stdout.write(`${words}\n`);

    if (args["sign-only"]) {
      const signatures = desk.key ? await install.signInstalls(desk, plan) : [];
      const installs = plan.installs.map((one, index) => ({
        asset: one.asset,
        policyId: one.policyId,
        typedData: install.installTypedData(plan, desk.chain.chainId, desk.account, one),
        signature: signatures[index] ?? null,
      }));
      return writeJson({
        ...(args.json ? said : {}),
        account: desk.account,
        chain: desk.chain.chainId,
        epoch: plan.ownership.epoch,
        owner: plan.ownership.owner,
        installs,
        notBySignature: install.notBySignature(plan).map(({ words }) => words),
      });
    }
    const bySignature = args["by-signature"] !== undefined;
    const actions = bySignature
      ? install.bringSignatures(desk, plan, await readOwnerSignatures(args["by-signature"]))
      : plan.actions;
    const left = bySignature ? install.notBySignature(plan).map(({ words }) => words) : [];
    const still = `Not in force: what only the owner can do. ${left.join("; ")}. Run it with --owner-keystore, or with --calldata for the owner's wallet.`;
    const settle = (result: Readonly<Record<string, unknown>>, words: string) => {
      if (left.length > 0) process.exitCode = 1;
      finish({ installed: left.length === 0, ...result, left }, left.length === 0 ? words : still);
    };
    const nothing = "Nothing to do: it is in force already.";
    if (args.calldata) {
      const calls = walletCalls(actions);
      if (left.length > 0) tell(still);
      else if (calls.length === 0) tell(nothing);
      return args.json ? writeJson({ ...said, calls, left }) : writeJson(calls);
    }
    if (actions.length === 0) return settle({ transactions: [] }, nothing);
    if (left.length > 0)
      tell(`The grants will be in force without what only the owner can do: ${left.join("; ")}.`);
    const { agree, fee } = asking("Install it?", args);
    const options = { agree, maxFeeWei, onProgress: tell };
    // The owner's signature is in the call, so any key may send it.
    const transactions = bySignature
      ? await sendByKey(desk, actions, options)
      : await actAsOwner(desk, plan.ownership.owner, actions, wayOf(args, desk), options);
    if (transactions === null) return finish({ installed: false, mostFee: fee.most }, "Nothing was done.");
    if (left.length > 0) tell(`Granted: ${transactions.join(", ")}`);
    settle({ transactions, mostFee: fee.most }, `Installed: ${transactions.join(", ")}`);
  },
});

/** What a person reads before signing, and a program gets. */
async function describe(plan: InstallPlan, { account }: OwnerDesk) {
  const [{ explainPolicy }, { worstCase }] = await Promise.all([
    import("../policy/explain.ts"),
    import("../policy/worstCase.ts"),
  ]);
  const { policy } = plan;
  return {
    policy: policy.name,
    chain: policy.chainId,
    account,
    agent: policy.agent,
    documentHash: policy.documentHash,
    owner: plan.ownership.owner,
    sentences: explainPolicy(policy),
    worstCase: worstCase(policy),
    policyIds: policy.limits.map(({ policyId, token }) => ({ asset: token.symbol, policyId })),
    inForce: plan.done,
    addsUpWith: plan.others,
    warnings: plan.warnings,
    actions: plan.actions.map(({ words }) => words),
  };
}

const inWords = (said: Awaited<ReturnType<typeof describe>>): string =>
  [
    `Policy ${said.policy} on chain ${said.chain}, for the account ${said.account}:`,
    ...said.sentences.map(({ words }) => `- ${words}`),
    ...(said.addsUpWith.length > 0
      ? [
          "The agent has other policies in force; these add up:",
          ...said.addsUpWith.map(({ policyId, words }) => `- ${words} (${policyId})`),
        ]
      : []),
    ...said.warnings.map((words) => `Warning: ${words}`),
    ...(said.inForce.length > 0 ? ["In force already:", ...said.inForce.map((words) => `- ${words}`)] : []),
    ...(said.actions.length > 0 ? ["To be done:", ...said.actions.map((words) => `- ${words}`)] : []),
  ].join("\n");
