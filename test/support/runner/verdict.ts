// Judges one file's run: which tests passed, failed and were skipped, and what is wrong with the file as a whole.
import type { Failure, TestRecord } from "./records.ts";

export interface FileEvidence {
  readonly label: string;
  readonly records: readonly TestRecord[];
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly killedFor: string;
  /** Processes of the file that outlived it. */
  readonly leftovers: readonly string[];
  readonly output: string;
  readonly milliseconds: number;
  readonly listOnly: boolean;
}

interface TestResult {
  readonly name: string;
  readonly milliseconds: number;
}

export interface FileResult {
  readonly label: string;
  /** Names of all tests the file registered. */
  readonly registered: readonly string[];
  readonly passed: readonly TestResult[];
  readonly failed: readonly (TestResult & { readonly failure: Failure })[];
  readonly skipped: readonly (TestResult & { readonly reason: string })[];
  readonly output: string;
  readonly milliseconds: number;
}

export function judge(evidence: FileEvidence): FileResult {
  const registered = evidence.records.flatMap((record) => (record.kind === "registered" ? record.tests : []));
  const finished = evidence.records.filter((record) => record.kind === "finished");
  const passed = finished.filter(({ outcome }) => outcome.state === "passed").map(plain);
  const skipped = finished.flatMap((record) =>
    record.outcome.state === "skipped" ? [{ ...plain(record), reason: record.outcome.reason }] : [],
  );
  const failed = finished.flatMap((record) =>
    record.outcome.state === "failed" ? [{ ...plain(record), failure: record.outcome.failure }] : [],
  );
  const owed = evidence.listOnly ? [] : registered.filter((name) => !finished.some(({ test }) => test === name));
  const problems = fileProblems(evidence, registered, failed.length);
  return {
    label: evidence.label,
    registered,
    passed,
    skipped,
    failed: [
      ...failed,
      ...owed.map((name) => failure(name, "it never finished")),
      ...problems.map((problem) => failure("the file as a whole", problem)),
    ],
    output: evidence.output,
    milliseconds: evidence.milliseconds,
  };
}

function plain({ test, milliseconds }: { test: string; milliseconds: number }): TestResult {
  return { name: test, milliseconds };
}

function failure(name: string, message: string) {
  return { name, milliseconds: 0, failure: { message, diff: "", stack: "" } };
}

/** What is wrong with the run apart from its tests. At most one line about how the process ended: the first cause. */
function fileProblems(evidence: FileEvidence, registered: readonly string[], failures: number): string[] {
  const problems = [endProblem(evidence, failures)];
  const kinds = new Set(evidence.records.map((record) => record.kind));
  if (!kinds.has("registered")) problems.push("it ended before its tests were registered");
  else if (registered.length === 0) problems.push("it registers no test");
  if (evidence.leftovers.length > 0) problems.push(`it left processes behind:\n${evidence.leftovers.join("\n")}`);
  return problems.filter((problem) => problem !== "");
}

function endProblem({ records, killedFor, signal, exitCode, listOnly }: FileEvidence, failures: number): string {
  if (killedFor !== "") return `${killedFor}${whereItWas(records)}`;
  if (signal !== null) return `it was ended by ${signal}${whereItWas(records)}`;
  const registered = records.some((record) => record.kind === "registered");
  const closed = records.some((record) => record.kind === "closed");
  if (registered && !closed && !listOnly) {
    return `it exited with code ${exitCode} before its tests were done${whereItWas(records)}`;
  }
  // uvu ends a process with failed tests with code 1.
  const expected = failures > 0 ? 1 : 0;
  return exitCode === expected ? "" : `it exited with code ${exitCode}, expected ${expected}`;
}

function whereItWas(records: readonly TestRecord[]): string {
  const lingering = records.find((record) => record.kind === "lingering");
  if (lingering !== undefined) return `: held by ${lingering.resources.join(", ")}`;
  const done = new Set(records.flatMap((record) => (record.kind === "finished" ? [record.test] : [])));
  const begun = records.flatMap((record) => (record.kind === "started" && !done.has(record.test) ? [record.test] : []));
  return begun.length === 0 ? "" : `, in "${begun.join('", "')}"`;
}
