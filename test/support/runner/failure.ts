import { inspect } from "node:util";
import type { Failure } from "./records.ts";

/** What a person needs of a thrown value: message, compared values, and a stack without the lines of Node, uvu and the runner. */
export function describeFailure(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: `threw ${inspect(error)}`, diff: "", stack: "" };
  return { message: messageOf(error), diff: diffOf(error), stack: stackOf(error) };
}

function messageOf(error: Error): string {
  const cause = error.cause === undefined ? "" : `\ncaused by ${shortly(error.cause)}`;
  const parts = error instanceof AggregateError ? error.errors.map((part) => `\n- ${shortly(part)}`) : [];
  return `${error.message === "" ? error.name : error.message}${parts.join("")}${cause}`;
}

function shortly(error: unknown): string {
  const { message, diff } = describeFailure(error);
  return diff === "" ? message : `${message}\n${diff}`;
}

/** Assertions carry what they compared: uvu's as a ready diff or as `expects`, Node's as `expected`. */
function diffOf(error: Error & { details?: unknown; expects?: unknown; expected?: unknown; actual?: unknown }): string {
  if (typeof error.details === "string") return error.details.trimEnd();
  if (!("actual" in error)) return "";
  return `actual   ${inspect(error.actual)}\nexpected ${inspect(error.expects ?? error.expected)}`;
}

function stackOf(error: Error): string {
  return (error.stack ?? "")
    .split("\n")
    .filter(
      (line) =>
        /^\s+at /.test(line) && !/\(?node:|node_modules\/uvu\/|test\/support\/(suite|runner\/child)\.ts/.test(line),
    )
    .join("\n");
}
