// The tests of the one file that this process runs. The runner's child opens it, imports the file, and runs what was
// registered; imported without that child, a test file refuses, because its tests would silently not run.

export interface RegisteredSuite {
  readonly title: string;
  readonly timeoutSeconds: number;
  /** Hands the suite's tests to uvu. */
  readonly queue: () => void;
}

let state: "unopened" | "open" | "sealed" = "unopened";
const suites: RegisteredSuite[] = [];
const testNames = new Set<string>();

export function openRegistry(): void {
  state = "open";
}

/** Ends registration: a later `test(...)` could not be run any more, so it throws. */
export function sealRegistry(): { suites: readonly RegisteredSuite[]; tests: readonly string[] } {
  state = "sealed";
  return { suites, tests: [...testNames] };
}

export function registerSuite(suite: RegisteredSuite): void {
  demandOpen(`suite "${suite.title}"`);
  suites.push(suite);
}

export function registerTest(name: string): void {
  demandOpen(`test "${name}"`);
  if (name.trim() === "") throw new Error("a test needs a name");
  if (testNames.has(name)) throw new Error(`two tests of this file are called "${name}"`);
  testNames.add(name);
}

function demandOpen(what: string): void {
  if (state === "unopened") throw new Error(`${what}: test files run only with npm run test:file -- FILE`);
  if (state === "sealed") throw new Error(`${what}: registered too late to be run; register while the file loads`);
}
