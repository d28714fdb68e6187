import { InvalidArgumentError } from "commander";

/** A whole number of int64 from 0 up, as an option's value. */
export function count(text: string): bigint {
  const value = /^\d{1,19}$/.test(text) ? BigInt(text) : -1n;
  if (value >= 0n && value < 2n ** 63n) return value;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a whole number from 0 up.`);
}
