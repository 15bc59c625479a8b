import { BaseError } from "../core/errors.ts";

/** The configuration file is missing or has a mistake. */
export class ConfigError extends BaseError {
  override readonly name = "ConfigError";
}
