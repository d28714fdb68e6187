// Counts and prints. One tally for the whole run; its last line is the line that other programs read.
import type { FileResult } from "./verdict.ts";

/** At most this many of the last lines of a failed file's output are shown. */
const outputLines = 200;

/** uvu's own report of the failures, which this one replaces. */
const uvuReport = /^\s+FAIL [\s\S]*^\s+Duration: .*$/m;

/** Tests that took longer than this are listed with their time. */
const slowMs = 2000;

export class Tally {
  private passed = 0;
  private failed = 0;
  private skipped = 0;
  private readonly failures: string[] = [];
  private readonly print: (text: string) => void;

  constructor(print: (text: string) => void) {
    this.print = print;
  }

  /** One check that is no test of a file: the build, the linter, a comparison. No problems means passed. */
  check(name: string, problems: readonly string[], milliseconds?: number): void {
    const time = milliseconds === undefined ? "" : ` (${duration(milliseconds)})`;
    if (problems.length === 0) {
      this.passed += 1;
      this.print(`ok    ${name}${time}`);
      return;
    }
    this.failed += 1;
    this.failures.push(name);
    this.print(`FAIL  ${name}${time}\n${indent(problems.join("\n"))}`);
  }

  /** Tests that ran elsewhere (the virtual machine), whose own report is printed already. */
  counted(label: string, passed: number, failed: number, skipped: number): void {
    this.passed += passed;
    this.failed += failed;
    this.skipped += skipped;
    if (failed > 0) this.failures.push(`${label}: ${failed} failed (its report is above)`);
    this.print(`${failed > 0 ? "FAIL " : "ok   "} ${label}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  }

  file(result: FileResult): void {
    this.passed += result.passed.length;
    this.failed += result.failed.length;
    this.skipped += result.skipped.length;
    const word = result.failed.length > 0 ? "FAIL " : "ok   ";
    this.print(`${word} ${result.label}: ${counts(result)} (${duration(result.milliseconds)})`);
    for (const { name, milliseconds } of [...result.passed, ...result.failed]) {
      if (milliseconds > slowMs) this.print(`      slow: ${name} (${duration(milliseconds)})`);
    }
    for (const { name, reason } of result.skipped) this.print(`      skipped: ${name}: ${reason}`);
    for (const failed of result.failed) this.failure(result.label, failed);
    if (result.failed.length > 0) this.output(result.output);
  }

  private failure(label: string, { name, failure }: FileResult["failed"][number]): void {
    this.failures.push(`${label} "${name}"`);
    this.print(`    ✘ ${name}`);
    for (const part of [failure.message, failure.diff, failure.stack]) {
      if (part.trim() !== "") this.print(indent(part));
    }
  }

  private output(output: string): void {
    const own = output.replace(uvuReport, "").trimEnd();
    if (own === "") return;
    const lines = own.split("\n");
    const cut = lines.length > outputLines ? `, the last ${outputLines} of ${lines.length} lines` : "";
    this.print(`      output of the file${cut}:\n${indent(lines.slice(-outputLines).join("\n"), "      | ")}`);
  }

  /** Prints the failures once more by name, then the last line; returns the exit code. */
  finish(): number {
    if (this.failures.length > 0) this.print(`\nfailed:\n${indent(this.failures.join("\n"))}`);
    const skips = this.skipped > 0 ? `, ${this.skipped} skipped` : "";
    this.print(`${this.passed} passed, ${this.failed} failed${skips}`);
    return this.failed === 0 && this.passed > 0 ? 0 : 1;
  }
}

function counts({ passed, failed, skipped }: FileResult): string {
  const parts = [`${passed.length} passed`];
  if (failed.length > 0) parts.push(`${failed.length} failed`);
  if (skipped.length > 0) parts.push(`${skipped.length} skipped`);
  return parts.join(", ");
}

function indent(text: string, by = "      "): string {
  return text
    .split("\n")
    .map((line) => by + line)
    .join("\n");
}

function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
