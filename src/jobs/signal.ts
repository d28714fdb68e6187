import { constants } from "node:os";
import { InvalidRequest } from "./errors.ts";

const highest = 64;

/** Number of a signal given as `TERM`, `SIGTERM`, `term` or `15`; "" is TERM. Throws InvalidRequest. */
export function signalNumber(text: string): number {
  if (text === "") return constants.signals.SIGTERM;
  if (/^\d{1,3}$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= highest) return number;
  }
  const name = `SIG${text.toUpperCase().replace(/^SIG/, "")}`;
  const number = constants.signals[name as NodeJS.Signals];
  if (number !== undefined) return number;
  throw new InvalidRequest(
    "signal",
    `${JSON.stringify(text)} is not a signal`,
    "use a name like TERM or a number from 1 to 64",
  );
}
