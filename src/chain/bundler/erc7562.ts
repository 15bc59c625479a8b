import { keccak256, type Address, type Hex } from "viem";

/** One frame of geth's native `erc7562Tracer` (also in EDR), the fields that the rules need. */
export type ValidationFrame = {
  readonly type: string;
  readonly to: string;
  readonly input: string;
  readonly value?: string;
  readonly gasUsed?: string;
  readonly outOfGas?: boolean;
  readonly error?: string;
  readonly output?: string;
  readonly usedOpcodes?: Readonly<Record<string, number>>;
  readonly accessedSlots?: {
    readonly reads?: Readonly<Record<string, unknown>>;
    readonly writes?: Readonly<Record<string, number>>;
    readonly transientReads?: Readonly<Record<string, unknown>>;
    readonly transientWrites?: Readonly<Record<string, number>>;
  };
  readonly extCodeAccessInfo?: readonly string[];
  readonly keccak?: readonly Hex[];
  readonly calls?: readonly ValidationFrame[];
};

/** One rule of ERC-7562 that an operation's validation breaks. */
export type Violation = { readonly rule: string; readonly words: string };

/** ERC-7562 OP-011 and OP-080: opcodes whose result may differ between validation and inclusion. */
const bannedOpcodes: Readonly<Record<string, string>> = {
  "0x31": "BALANCE",
  "0x32": "ORIGIN",
  "0x3a": "GASPRICE",
  "0x40": "BLOCKHASH",
  "0x41": "COINBASE",
  "0x42": "TIMESTAMP",
  "0x43": "NUMBER",
  "0x44": "PREVRANDAO",
  "0x45": "GASLIMIT",
  "0x47": "SELFBALANCE",
  "0x48": "BASEFEE",
  "0x49": "BLOBHASH",
  "0x4a": "BLOBBASEFEE",
  "0xf0": "CREATE",
  "0xf5": "CREATE2",
  "0xfe": "INVALID",
  "0xff": "SELFDESTRUCT",
};

/** OP-062: precompiled contracts that validation may call: the first nine, and P-256 (RIP-7212). */
const isAllowedPrecompile = (address: string): boolean => {
  const number = BigInt(address);
  return (number >= 1n && number <= 9n) || number === 0x100n;
};
/** Precompiled contracts have addresses of two bytes, and no code. */
const isPrecompile = (address: string): boolean => BigInt(address) > 0n && BigInt(address) < 0x10000n;

const validateUserOp = "0x19822f7c";
const depositTo = "0xb760faf9";

/** The validateUserOp frame of a traced `handleOps` with one operation. */
export function validationFrame(trace: ValidationFrame, sender: Address): ValidationFrame | undefined {
  return trace.calls?.find(
    (frame) => frame.to === sender.toLowerCase() && frame.input.startsWith(validateUserOp),
  );
}

/** Whose validation is looked at. `factory`: the operation makes its account with it; it has no stake. */
export type ValidationParties = {
  readonly entryPoint: Address;
  readonly sender: Address;
  readonly factory?: Address | undefined;
};

/** What of a trace is looked at: the account's validation, and the making of the account before it. */
function looked(
  trace: ValidationFrame,
  { factory, sender }: ValidationParties,
): { readonly validation?: ValidationFrame | undefined; readonly making?: ValidationFrame | undefined } {
  return {
    validation: validationFrame(trace, sender),
    making: factory === undefined ? undefined : frameOf(trace, factory.toLowerCase()),
  };
}

/** The addresses whose code validation runs or looks at, in lower case, each once: whether they have any is for `checkValidation`. */
export function codeReached(trace: ValidationFrame, parties: ValidationParties): ReadonlySet<string> {
  const reached = new Set<string>();
  const walk = (at: ValidationFrame) => {
    for (const address of at.extCodeAccessInfo ?? []) reached.add(address.toLowerCase());
    for (const call of at.calls ?? []) {
      if (calling.has(call.type)) reached.add(call.to.toLowerCase());
      walk(call);
    }
  };
  const { making, validation } = looked(trace, parties);
  for (const frame of [validation, making]) if (frame) walk(frame);
  // OP-042: a factory may look at the account that it makes.
  reached.delete(parties.sender.toLowerCase());
  return new Set([...reached].filter((address) => !isPrecompile(address)));
}

const calling = new Set(["CALL", "STATICCALL", "DELEGATECALL", "CALLCODE"]);

/**
 * ERC-7562 rules over the trace of `EntryPoint.handleOps` with one operation of an unstaked account, what a paymaster does
 * aside: banned opcodes (OP-011, OP-080), out of gas (OP-020), gas introspection (OP-012), the one CREATE2 of a factory
 * (OP-031), addresses without code (OP-041), EntryPoint methods (OP-052…054), value (OP-061), precompiled contracts (OP-062), storage (STO-010, STO-021; transient storage counts, OP-070).
 * While an account is being made, not even slots associated with it may be touched in other contracts (STO-022).
 */
export function checkValidation(
  trace: ValidationFrame,
  /** `codeless`: those of `codeReached` that have no code. */
  options: ValidationParties & { readonly codeless: ReadonlySet<string> },
): readonly Violation[] {
  const entryPoint = options.entryPoint.toLowerCase();
  const sender = options.sender.toLowerCase();
  const factory = options.factory?.toLowerCase();
  const { making, validation } = looked(trace, options);
  if (!validation)
    return [{ rule: "ERC-4337", words: "The EntryPoint did not call validateUserOp of the sender." }];
  const isAssociated = associatedSlots(trace, sender);
  const associated = (slot: bigint) => factory === undefined && isAssociated(slot);
  const violations = [...codeReached(trace, options)]
    .filter((address) => options.codeless.has(address))
    .map((address): Violation => ({ rule: "OP-041", words: `access to ${address}, which has no code` }));
  const walk = (at: ValidationFrame, storageOwner: string) => {
    if (at.to !== entryPoint) violations.push(...opcodeViolations(at, at.to === factory ? 1 : 0));
    for (const kind of ["reads", "writes", "transientReads", "transientWrites"] as const)
      for (const slot of Object.keys(at.accessedSlots?.[kind] ?? {}))
        if (storageOwner !== sender && storageOwner !== entryPoint && !associated(BigInt(slot)))
          violations.push({
            rule: factory !== undefined && isAssociated(BigInt(slot)) ? "STO-022" : "STO-021",
            words: `${kind} of slot ${slot} in ${storageOwner}, which is not associated with the sender`,
          });
    for (const call of at.calls ?? []) {
      if (call.type === "CALL" && BigInt(call.value ?? 0) > 0n && call.to !== entryPoint)
        violations.push({ rule: "OP-061", words: `value sent to ${call.to}` });
      if (isPrecompile(call.to) && !isAllowedPrecompile(call.to))
        violations.push({ rule: "OP-062", words: `call of the precompiled contract ${call.to}` });
      if (call.to === entryPoint && call.input !== "0x" && !call.input.startsWith(depositTo))
        violations.push({ rule: "OP-053", words: `call of EntryPoint method ${call.input.slice(0, 10)}` });
      // The code of a DELEGATECALL works on its caller's storage.
      walk(call, call.type === "DELEGATECALL" ? storageOwner : call.to);
    }
  };
  walk(validation, sender);
  if (making) walk(making, factory!);
  return violations;
}

/** The first call of a contract, wherever it is made: the EntryPoint calls a factory through its SenderCreator. */
export function frameOf(trace: ValidationFrame, address: string): ValidationFrame | undefined {
  for (const call of trace.calls ?? []) {
    const found = call.to === address ? call : frameOf(call, address);
    if (found) return found;
  }
  return undefined;
}

/** @param creations how often CREATE2 is allowed */
function opcodeViolations(frame: ValidationFrame, creations: number): readonly Violation[] {
  const used = frame.usedOpcodes ?? {};
  const violations: Violation[] = [];
  for (const [opcode, name] of Object.entries(bannedOpcodes))
    if ((used[opcode] ?? 0) > (name === "CREATE2" ? creations : 0))
      violations.push({ rule: "OP-011", words: `${name} in ${frame.to}` });
  if (frame.outOfGas) violations.push({ rule: "OP-020", words: `out of gas in ${frame.to}` });
  // The tracer also counts a GAS right before a call, which is allowed: so no more GAS than calls (OP-012).
  const calls = ["0xf1", "0xf2", "0xf4", "0xfa"].reduce((sum, opcode) => sum + (used[opcode] ?? 0), 0);
  if ((used["0x5a"] ?? 0) > calls)
    violations.push({ rule: "OP-012", words: `GAS outside a call in ${frame.to}` });
  return violations;
}

/** STO-021: slots keccak(sender ‖ x) + 0…128, known from the preimages that the tracer saw. */
function associatedSlots(trace: ValidationFrame, sender: string): (slot: bigint) => boolean {
  const bases: bigint[] = [];
  const prefix = sender.slice(2).padStart(64, "0");
  const collect = (frame: ValidationFrame) => {
    // EDR hangs the preimages on each frame, geth on the root only.
    for (const preimage of frame.keccak ?? [])
      if (preimage.slice(2).startsWith(prefix)) bases.push(BigInt(keccak256(preimage)));
    frame.calls?.forEach(collect);
  };
  collect(trace);
  return (slot) => slot === BigInt(sender) || bases.some((base) => slot >= base && slot - base <= 128n);
}
