// The suites, in the order they run, and the test files in them.
import { existsSync, readdirSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const suiteNames = ["unit", "property", "integration", "security", "recovery", "vm"] as const;
export type SuiteName = (typeof suiteNames)[number];

/** Files of a suite that run at the same time; more than one only where tests touch nothing of the host. */
export const filesAtOnce: Readonly<Record<SuiteName, number>> = {
  unit: 2,
  property: 2,
  integration: 1,
  security: 1,
  recovery: 1,
  vm: 1,
};

/** This module is build/test/support/runner/catalog.js. */
export const root = fileURLToPath(new URL("../../../../", import.meta.url)).replace(/\/$/, "");

export interface TestFile {
  readonly suite: SuiteName;
  /** Path of the source from the root, for example `test/unit/size.test.ts`. */
  readonly source: string;
  /** Absolute path of the compiled file. */
  readonly compiled: string;
}

export function testFiles(suite: SuiteName): TestFile[] {
  const folder = join(root, "test", suite);
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts"));
  return names.sort().map((name) => fileAt(suite, join("test", suite, name)));
}

/** The test file that a path names, absolute or from the root; throws when it is none. */
export function testFile(path: string): TestFile {
  const source = relative(root, resolve(root, path));
  const suite = suiteNames.find((name) => source.startsWith(`test/${name}/`));
  if (suite === undefined || !source.endsWith(".test.ts")) {
    throw new Error(`${path} is no test file: expected test/SUITE/NAME.test.ts, SUITE one of ${suiteNames.join(", ")}`);
  }
  if (!existsSync(join(root, source))) throw new Error(`${path}: there is no such test file`);
  return fileAt(suite, source);
}

function fileAt(suite: SuiteName, source: string): TestFile {
  return { suite, source, compiled: join(root, "build", source.replace(/\.ts$/, ".js")) };
}

/** How the report calls a file: `unit/size`. */
export function labelOf(file: TestFile): string {
  return `${file.suite}/${basename(file.source, ".test.ts")}`;
}
