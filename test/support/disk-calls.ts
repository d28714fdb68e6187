import { readFileSync } from "node:fs";

/** What a log of `strace -y -e trace=fsync,rename` says, in order: `fsync PATH` or `rename TO`. */
export function diskCalls(log: string): string[] {
  return readFileSync(log, "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, synced] = /fsync\(\d+<([^>]+)>/.exec(line) ?? [];
      const [, renamed] = /rename\("[^"]*", "([^"]*)"/.exec(line) ?? [];
      if (synced !== undefined) return [`fsync ${synced}`];
      return renamed === undefined ? [] : [`rename ${renamed}`];
    });
}
