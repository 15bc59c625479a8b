import { BaseError } from "../core/errors.ts";
import type { Failure } from "./messages.ts";

/** A failure the worker expects. It crosses to the supervisor as data and becomes one of the errors there. */
export class WorkerFailure extends BaseError {
  override readonly name = "WorkerFailure";
  readonly code: Failure["code"];
  constructor(code: Failure["code"], message: string, facts: Readonly<Record<string, string | number>> = {}) {
    super(message, { facts });
    this.code = code;
  }
}
