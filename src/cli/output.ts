// podium's own stdout and stderr: with backpressure, and with a quiet end when nobody reads any more.
import { CliError } from "./failure.ts";

/** Whoever read this output has gone (EPIPE), which is no failure: `podium logs 7 | head -1`. */
export class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

/** Without a listener a write that fails would end the program with a stack trace; `write` tells each by itself. */
export function catchOutputErrors(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}

/** Resolves when the bytes are out. Throws ReaderGone or CliError. */
export function write(name: "stdout" | "stderr", bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    process[name].write(bytes, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(outputFailure(name, error));
    });
  });
}

function outputFailure(name: string, error: NodeJS.ErrnoException): Error {
  if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") return new ReaderGone(name);
  return new CliError(`${name}: cannot be written: ${error.code ?? error.message}`);
}

export function printLines(...lines: readonly string[]): Promise<void> {
  return write("stdout", lines.map((line) => `${line}\n`).join(""));
}

/** Left-aligned columns, two spaces apart. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
