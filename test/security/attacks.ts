// The attack programs of test/fixtures: compiled when a test asks for them, shown to jobs as /attacks, and read back as
// one word per attempt, `ok` when it worked.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { root } from "../support/runner/catalog.ts";
import { runSandbox } from "../support/sandbox.ts";

export type Attempts = ReadonlyMap<string, string>;

export class Attacks implements Disposable {
  /** Host folder of the programs. */
  readonly folder = mkdtempSync(join(tmpdir(), "podium-attacks-"));

  constructor(...names: string[]) {
    try {
      for (const name of names) this.#compile(name);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Host path of one program. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Options that show the programs to a job. */
  get options(): string[] {
    return ["--dir", `${this.folder}::/attacks`];
  }

  /** Runs one program in a sandbox, to its end: exit code 0. */
  async run(command: readonly [string, ...string[]], options: readonly string[] = []): Promise<Attempts> {
    const [name, ...args] = command;
    const ran = await runSandbox([...this.options, ...options, "--", `/attacks/${name}`, ...args]);
    assert.equal([ran.code, ran.stderr], [0, ""], `${name}: ${ran.stdout}`);
    return parseAttempts(ran.stdout);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #compile(name: string): void {
    const flags = ["-static", "-pthread", "-O1", "-Wall", "-Wextra", "-Werror"];
    execFileSync("gcc", [...flags, "-o", this.path(name), join(root, "test/fixtures", `${name}.c`)], { stdio: "pipe" });
  }
}

export function parseAttempts(stdout: string): Attempts {
  const lines = stdout.trim().split("\n");
  return new Map(lines.map((line) => line.split(" ") as [string, string]));
}

/** Every attempt failed, and there were at least so many: a program that stopped half-way proves nothing. */
export function assertNoneWorked(attempts: Attempts, atLeast: number): void {
  const worked = [...attempts].filter(([, result]) => result === "ok").map(([name]) => name);
  assert.equal(worked, []);
  assert.ok(attempts.size >= atLeast, `${attempts.size} attempts, expected at least ${atLeast}`);
}

/** The named attempts ended like this, whatever the others did. */
export function assertResults(attempts: Attempts, expected: Readonly<Record<string, string>>): void {
  const found = Object.fromEntries(Object.keys(expected).map((name) => [name, attempts.get(name)]));
  assert.equal(found, expected);
}

/** Both with the default profile and with none: without seccomp the other walls must hold alone. */
export const profiles = ["default", "unconfined"] as const;
