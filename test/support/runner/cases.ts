// Case accounting: every numbered case of test/cases.json is tested, tested in the VM, open, or not applicable, and the
// tests that exist must say the same.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, type SuiteName } from "./catalog.ts";

export interface CaseRow {
  /** `tested`, `vm`, `open` or `not applicable: reason`. */
  readonly state: string;
  /** What the case promises, in short. */
  readonly title: string;
}

export interface NamedTest {
  readonly suite: SuiteName;
  readonly name: string;
}

export interface CaseAccount {
  readonly problems: readonly string[];
  /** `cases: 41 tested, 30 vm, 44 open, 2 n/a` */
  readonly summary: string;
}

export function readCases(path = join(root, "test/cases.json")): Readonly<Record<string, CaseRow>> {
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, CaseRow>;
}

/** The case that a test's name begins with, null for a test of no case. */
export function caseOf(testName: string): string | null {
  return /^([A-Z]\d{2})\b/.exec(testName)?.[1] ?? null;
}

export function accountForCases(cases: Readonly<Record<string, CaseRow>>, tests: readonly NamedTest[]): CaseAccount {
  const rows = Object.entries(cases);
  const count = (kind: string) => rows.filter(([, row]) => kindOf(row) === kind).length;
  return {
    problems: [...rows.flatMap(([number, row]) => rowProblems(number, row, tests)), ...strayTests(cases, tests)],
    summary: `cases: ${count("tested")} tested, ${count("vm")} vm, ${count("open")} open, ${count("n/a")} n/a`,
  };
}

function kindOf({ state }: CaseRow): "tested" | "vm" | "open" | "n/a" | null {
  if (state === "tested" || state === "vm" || state === "open") return state;
  return /^not applicable: \S/.test(state) ? "n/a" : null;
}

function rowProblems(number: string, row: CaseRow, tests: readonly NamedTest[]): string[] {
  const own = tests.filter(({ name }) => caseOf(name) === number);
  const inVm = own.some(({ suite }) => suite === "vm");
  const onHost = own.some(({ suite }) => suite !== "vm");
  switch (kindOf(row)) {
    case "tested":
      return onHost ? [] : [`${number} is "tested", but no test's name begins with it`];
    case "vm":
      return inVm ? [] : [`${number} is "vm", but no test's name in the vm suite begins with it`];
    case "open":
    case "n/a":
      return own.map(({ suite, name }) => `${number} is "${row.state}", but there is a test: ${suite} "${name}"`);
    case null:
      return [`${number}: state "${row.state}" is none of tested, vm, open, not applicable: REASON`];
  }
}

function strayTests(cases: Readonly<Record<string, CaseRow>>, tests: readonly NamedTest[]): string[] {
  const stray = tests.filter(({ name }) => !Object.hasOwn(cases, caseOf(name) ?? "") && caseOf(name) !== null);
  return stray.map(({ suite, name }) => `${caseOf(name)} has no row in test/cases.json: ${suite} "${name}"`);
}
