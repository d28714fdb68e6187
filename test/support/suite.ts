// How test files register their tests: uvu's suite behind a fence. There are no hooks (an error thrown in one of uvu's
// hooks passes unseen), no `only`, and no `run()` to forget; every test has a deadline.
import { suite as uvuSuite } from "uvu";
import { type Requirement, requires } from "./requirements.ts";
import { describeFailure } from "./runner/failure.ts";
import { type Outcome, sendRecord } from "./runner/records.ts";
import { registerSuite, registerTest } from "./runner/registry.ts";
import { stretched } from "./slowness.ts";

export { requires };

export type TestBody = () => void | Promise<void>;

export interface SuiteOptions {
  /** Deadline of the whole file in seconds of a real machine (slowness.ts), from its start to its end; 900 unless said. It ends what hangs, and measures nothing. */
  readonly timeoutSeconds?: number;
  /** Deadline of each test in seconds; 150 unless said. */
  readonly testSeconds?: number;
}

export interface TestFunction {
  (name: string, body: TestBody): void;
  (name: string, requirement: Requirement, body: TestBody): void;
}

/** Begins a suite; the function it returns registers one test. Throws when the runner did not load this file. */
export function suite(title: string, options: SuiteOptions = {}): TestFunction {
  const inner = uvuSuite(title);
  registerSuite({ title, timeoutSeconds: stretched(options.timeoutSeconds ?? 900), queue: () => inner.run() });
  return (name: string, ...rest: [TestBody] | [Requirement, TestBody]) => {
    const [requirement, body] = rest.length === 2 ? rest : [undefined, rest[0]];
    if (typeof body !== "function") throw new Error(`test "${name}": its body is not a function`);
    registerTest(name);
    inner(name, () => runTest(name, requirement, body, stretched(options.testSeconds ?? 150)));
  };
}

/** Runs one test and records its outcome; throws on failure, so that uvu counts the same. */
async function runTest(name: string, requirement: Requirement | undefined, body: TestBody, seconds: number) {
  sendRecord({ kind: "started", test: name });
  const start = performance.now();
  const finish = (outcome: Outcome) =>
    sendRecord({ kind: "finished", test: name, milliseconds: performance.now() - start, outcome });
  try {
    const skipReason = requirement?.check() ?? null;
    if (skipReason !== null) return finish({ state: "skipped", reason: skipReason });
    await withDeadline(body, seconds);
    finish({ state: "passed" });
  } catch (error) {
    finish({ state: "failed", failure: describeFailure(error) });
    throw error;
  }
}

async function withDeadline(body: TestBody, seconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the test took longer than its ${seconds} s`)), seconds * 1000);
  });
  try {
    await Promise.race([Promise.resolve(body()), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
