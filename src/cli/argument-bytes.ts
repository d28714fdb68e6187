import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { CliError } from "./failure.ts";

/**
 * Node gives arguments as text, and bytes that are no UTF-8 as U+FFFD: the job would get others than were typed. Throws
 * CliError for those.
 */
export function refuseUndecodableArguments(): void {
  if (!process.argv.some((argument) => argument.includes("\ufffd"))) return;
  const typed = readFileSync("/proc/self/cmdline", "latin1").split("\0");
  const broken = typed.find((argument) => !isUtf8(Buffer.from(argument, "latin1")));
  if (broken === undefined) return;
  throw new CliError(`the argument ${JSON.stringify(broken)} is not UTF-8`, "pass such bytes in a file or on stdin");
}
