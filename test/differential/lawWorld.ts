import { encodeFunctionData, zeroAddress, zeroHash, type Address, type Hex } from "viem";

import { changeCap } from "../../src/policy/cap.ts";
import { grantTypes } from "../../src/policy/grant.ts";
import { law, type LawAnswer, type LawOperation } from "../../src/policy/law.ts";
import { approvalHash, revoked } from "../../src/policy/meter.ts";
import { grantPolicy, replacePolicy } from "./ownerChange.ts";
import { isRefusal, refusal, type Refusal } from "../../src/policy/refusal.ts";
import type { LawState, NamedGrant } from "../../src/policy/request.ts";
import { encodeValidate } from "./encodeOperation.ts";
import type { Step } from "./lawChain.ts";

/** What the chain has to answer to a step, by the twin. */
export type Expected = {
  readonly refusal: Refusal | null;
  /** What a step that succeeds returns; undefined: nothing that is looked at. */
  readonly returned: bigint | undefined;
  readonly words: readonly bigint[];
};
export type Foreseen = {
  readonly step: Step;
  readonly expected: Expected;
  /** An agent's operation, which is what is counted; else a change of the owner. */
  readonly operation: LawOperation | null;
  readonly about: object;
};

const account = { name: "account", type: "address" } as const;
const grantParameter = (name: string) =>
  ({
    name,
    type: "tuple",
    components: grantTypes.Grant.map((part) =>
      part.name === "extras"
        ? ({ name: "extras", type: "tuple", components: grantTypes.Extras } as const)
        : part,
    ),
  }) as const;
const word = (name: string) => ({ name, type: "uint256" }) as const;
const hash = (name: string) => ({ name, type: "bytes32" }) as const;
const doors = {
  grant: [account, grantParameter("grant_")],
  replace: [account, grantParameter("oldGrant"), grantParameter("newGrant")],
  revoke: [account, hash("policyId")],
  revokeAll: [account],
  freeze: [account],
  unfreeze: [account],
  beat: [account],
  setCap: [account, { name: "asset", type: "address" }, word("perWindow"), word("bucket")],
  recordApproval: [account, hash("policyId"), hash("callHash"), word("nonce"), word("deadline")],
  nextBundle: [],
  poke: [account, { name: "epoch", type: "uint16" }, { name: "heartbeat", type: "uint40" }],
  pokeEntry: [account, hash("policyId"), word("counters"), word("operations")],
  pokeCap: [account, { name: "asset", type: "address" }, word("word")],
} as const;
type Door = keyof typeof doors;

const lower = (address: Address) => address.toLowerCase() as Address;

/** An account as the twin keeps it: each step says what the chain should answer, and takes place here at once. */
export class LawWorld {
  readonly account: Address;
  /** Time of the block, unix seconds: the same for all steps of a run. */
  readonly time: bigint;
  epoch = 0n;
  frozen = false;
  heartbeat = 0n;
  readonly entries = new Map<Hex, { counters: bigint; operations: bigint }>();
  readonly caps = new Map<Address, bigint>();
  readonly approvals = new Map<Hex, "recorded" | "used">();
  #notes = new Map<Hex, Hex>();
  readonly #ownParts: readonly Address[];
  readonly #approver: Address;

  constructor(
    at: Address,
    time: bigint,
    parts: { readonly ownParts: readonly Address[]; readonly approver: Address },
  ) {
    this.account = lower(at);
    this.time = time;
    this.#ownParts = parts.ownParts;
    this.#approver = parts.approver;
  }

  get state(): LawState {
    return {
      account: this.account,
      ownParts: this.#ownParts,
      epoch: this.epoch,
      frozen: this.frozen,
      heartbeat: this.heartbeat,
      counters: (id) => this.#entry(id).counters,
      operations: (id) => this.#entry(id).operations,
      cap: (asset) => this.caps.get(asset) ?? 0n,
      approval: (id) => this.approvals.get(id) ?? "none",
      noted: (id) => this.#notes.get(id) ?? null,
    };
  }

  operate(operation: LawOperation): Foreseen {
    const answer = law(operation, this.state);
    if (answer.kind === "allow") this.#take(answer);
    const { policyId, asset } =
      answer.kind === "allow" ? answer : { ...operation.named, ...operation.named.grant };
    const approval = answer.kind === "allow" ? (answer.approval ?? zeroHash) : zeroHash;
    const allowed =
      (operation.claim.validAfter << 208n) | (operation.claim.validUntil << 160n) | /* nobody signed */ 1n;
    return this.#foreseen(
      encodeValidate(this.account, operation),
      { policyId, asset, approval },
      answer.kind === "allow" ? null : answer,
      { returned: answer.kind === "allow" ? allowed : undefined, operation, about: operation },
    );
  }

  grant(named: NamedGrant): Foreseen {
    const counters = grantPolicy(named, this.state);
    if (!isRefusal(counters)) this.#entry(named.policyId).counters = counters;
    return this.#own("grant", [named.grant], { policyId: named.policyId }, counters);
  }

  replace(before: NamedGrant, after: NamedGrant): Foreseen {
    const words = replacePolicy(before, after, this.state, this.time);
    if (!isRefusal(words)) {
      this.#entry(before.policyId).counters = words.oldCounters;
      this.entries.set(after.policyId, { counters: words.newCounters, operations: words.newOperations });
    }
    const ids = { policyId: after.policyId, oldPolicyId: before.policyId };
    return this.#own("replace", [before.grant, after.grant], ids, words);
  }

  revoke(policyId: Hex): Foreseen {
    this.#entry(policyId).counters = revoked(this.#entry(policyId).counters);
    return this.#own("revoke", [policyId], { policyId });
  }

  revokeAll(): Foreseen {
    const full = this.epoch === 0xffffn;
    if (!full) this.epoch++;
    return this.#own("revokeAll", [], {}, full ? refusal("EpochExhausted") : undefined);
  }

  setFrozen(frozen: boolean): Foreseen {
    this.frozen = frozen;
    return this.#own(frozen ? "freeze" : "unfreeze", [], {});
  }

  beat(): Foreseen {
    this.heartbeat = this.time;
    return this.#own("beat", [], {});
  }

  setCap(asset: Address, perWindow: bigint, bucket: bigint): Foreseen {
    const changed = changeCap(this.caps.get(lower(asset)) ?? 0n, { perWindow, bucket }, this.time);
    if (typeof changed === "bigint") this.#setCapWord(asset, changed);
    return this.#own("setCap", [asset, perWindow, bucket], { asset }, changed);
  }

  /** By the harness itself, which needs no signature. */
  recordApproval(policyId: Hex, callHash: Hex, nonce: bigint, deadline: bigint): Foreseen {
    const approval = approvalHash({ approver: this.#approver, nonce, deadline }, policyId, callHash);
    const used = this.approvals.get(approval) === "used";
    if (!used) this.approvals.set(approval, "recorded");
    return this.#own(
      "recordApproval",
      [policyId, callHash, nonce, deadline],
      { approval },
      used ? refusal("ApprovalUsed", approval) : undefined,
    );
  }

  nextBundle(): Foreseen {
    this.#notes = new Map();
    return this.#foreseen(encode("nextBundle", []), {}, null, { about: { owner: "nextBundle" } });
  }

  poke(epoch: bigint, heartbeat: bigint): Foreseen {
    [this.epoch, this.heartbeat] = [epoch, heartbeat];
    return this.#own("poke", [Number(epoch), Number(heartbeat)], {});
  }

  pokeEntry(policyId: Hex, counters: bigint, operations: bigint): Foreseen {
    this.entries.set(policyId, { counters, operations });
    return this.#own("pokeEntry", [policyId, counters, operations], { policyId });
  }

  /** Of a cap that is set. */
  pokeCap(asset: Address, value: bigint): Foreseen {
    this.#setCapWord(asset, value);
    return this.#own("pokeCap", [asset, value], { asset });
  }

  #take({ policyId, counters, operations, cap, asset, approval, note }: LawAnswer & { kind: "allow" }): void {
    this.entries.set(policyId, { counters, operations });
    this.#setCapWord(asset, cap);
    if (approval) this.approvals.set(approval, "used");
    if (note) this.#notes.set(note, policyId);
  }

  #setCapWord(asset: Address, value: bigint): void {
    if (value === 0n) this.caps.delete(lower(asset));
    else this.caps.set(lower(asset), value);
  }

  #entry(policyId: Hex): { counters: bigint; operations: bigint } {
    const known = this.entries.get(policyId);
    if (known) return known;
    const fresh = { counters: 0n, operations: 0n };
    this.entries.set(policyId, fresh);
    return fresh;
  }

  #own(door: Door, args: readonly unknown[], looksAt: Partial<Step>, outcome?: bigint | object): Foreseen {
    const refused = typeof outcome === "object" && isRefusal(outcome) ? outcome : null;
    const about = { owner: door, args };
    return this.#foreseen(encode(door, [this.account, ...args]), looksAt, refused, { about });
  }

  #foreseen(
    call: Hex,
    looksAt: Partial<Step>,
    refused: Refusal | null,
    rest: { returned?: bigint | undefined; operation?: LawOperation; about: object },
  ): Foreseen {
    const step: Step = {
      account: this.account,
      policyId: zeroHash,
      oldPolicyId: zeroHash,
      approval: zeroHash,
      asset: zeroAddress,
      call,
      ...looksAt,
    };
    const entry = this.entries.get(step.policyId);
    const approval = this.approvals.get(step.approval);
    const words = [
      (BigInt(this.caps.size) << 64n) | (this.heartbeat << 24n) | (this.frozen ? 1n << 16n : 0n) | this.epoch,
      entry?.counters ?? 0n,
      entry?.operations ?? 0n,
      this.caps.get(lower(step.asset)) ?? 0n,
      approval === "used" ? 2n : approval === "recorded" ? 1n : 0n,
      this.entries.get(step.oldPolicyId)?.counters ?? 0n,
    ];
    return {
      step,
      expected: { refusal: refused, returned: rest.returned, words },
      operation: rest.operation ?? null,
      about: rest.about,
    };
  }
}

const abi = Object.entries(doors).map(([name, inputs]) => ({
  type: "function" as const,
  name,
  inputs,
  outputs: [],
  stateMutability: "nonpayable" as const,
}));
const encode = (functionName: Door, args: readonly unknown[]): Hex =>
  encodeFunctionData({ abi, functionName, args });
