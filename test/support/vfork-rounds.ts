// Children in this process's memory, many in a row: node --single-threaded --v8-pool-size=0 vfork-rounds.js ROUNDS. Prints
// what was found, as JSON on one line. Each child allocates, throws, catches and calls libc, as set-up does.
import { closeSync, openSync, readlinkSync, writeSync } from "node:fs";
import { dup2, pipe, read } from "../../sandbox/sys/descriptors.ts";
import { exitOf, waitFor } from "../../sandbox/sys/process.ts";
import { spawn, spawnWithFiles, unshareFiles } from "../../sandbox/sys/vfork.ts";

const rounds = Number(process.argv[2]);
const found = { ranAs: 0, said: 0, refused: 0, thrown: 0, shared: 0, own: 0, ended: 0 };
const chunk = Buffer.alloc(64);

function busy(): string {
  const heap = Array.from({ length: 2_000 }, (_, i) => ({ i, text: String(i) }));
  try {
    JSON.parse("{");
  } catch {
    // V8 unwinds on the child's stack
  }
  return heap[7]?.text ?? "";
}

function isOpen(fd: number): boolean {
  try {
    readlinkSync(`/proc/self/fd/${fd}`);
    return true;
  } catch {
    return false;
  }
}

for (let round = 0; round < rounds; round++) {
  const ends = pipe();
  let inside = 0;
  const echo = spawn(() => {
    inside = Number(readlinkSync("/proc/self"));
    dup2(ends.write, 1);
    writeSync(1, busy());
    return { path: "/bin/sh", argv: ["sh", "-c", 'printf %s "$0$A"', "ö"], env: ["A=b c"] };
  });
  if (inside === echo.pid && echo.refused === 0) found.ranAs++;
  if (exitOf(waitFor(echo.pid)) === 0) found.ended++;
  closeSync(ends.write);
  const said = [];
  for (let n = read(ends.read, chunk); n; n = read(ends.read, chunk)) said.push(chunk.toString("utf8", 0, n));
  if (said.join("") === "7öb c") found.said++;
  closeSync(ends.read);

  const missing = spawn(() => ({ path: `/nowhere/${busy()}`, argv: ["x"], env: [] }));
  if (missing.refused === 2 && exitOf(waitFor(missing.pid)) === 125) found.refused++;

  try {
    spawn(() => {
      throw new Error(`thrown ${busy()}`);
    });
  } catch (error) {
    if ((error as Error).message === "thrown 7") found.thrown++;
  }

  let [opened, mine] = [-1, -1];
  const sharing = spawnWithFiles(() => {
    opened = openSync("/dev/null", "r");
    unshareFiles();
    mine = openSync("/dev/null", "r");
    return null;
  });
  waitFor(sharing.pid);
  if (isOpen(opened)) found.shared++;
  if (!isOpen(mine)) found.own++;
  closeSync(opened);
}
process.stdout.write(`${JSON.stringify(found)}\n`);
