// The exit record and the state file under a kill at each system call of their writing: the old or the new, never else.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { root } from "../support/runner/catalog.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("state file");

const record = {
  cause: "EXITED",
  exitCode: 0,
  signal: null,
  by: "",
  message: "exited with code 0",
  step: "",
  errno: "",
  startedAtMs: 1,
  finishedAtMs: 2,
  usage: { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0, pids: 0 },
};

/** Writes a record as init does, into the folder that is its argument. */
const program = `import { prepareRecord, writeRecord } from ${JSON.stringify(join(root, "build/sandbox/init/record.js"))};
const prepared = prepareRecord(process.argv[1]);
process.getgroups();
writeRecord(prepared, ${JSON.stringify(record)});
process.getgroups();
`;

function folderIn(path: string, name: string): string {
  const folder = join(path, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "state"), "RUNNING\n");
  return folder;
}

function strace(folder: string, ...options: string[]) {
  const node = [process.execPath, "--input-type=module", "-e", program, folder];
  return spawnSync("strace", ["-qq", ...options, ...node], { encoding: "utf8", cwd: "/" });
}

/** The calls of the writing, each as its name and which one of that name in the whole program it is. */
function callsOfWriting(folder: string, log: string): { name: string; nth: number }[] {
  strace(folder, "-o", log);
  const seen = new Map<string, number>();
  const calls: { name: string; nth: number }[] = [];
  let marks = 0;
  for (const line of readFileSync(log, "utf8").split("\n")) {
    const name = /^(\w+)\(/.exec(line)?.[1];
    if (name === undefined) continue;
    const nth = (seen.get(name) ?? 0) + 1;
    seen.set(name, nth);
    if (name === "getgroups") marks++;
    else if (marks > 0 && marks <= 2) calls.push({ name, nth });
  }
  return calls;
}

test(
  "a kill between every two system calls of its writing leaves the old state or the new one",
  requires("strace"),
  () => {
    using folder = temporaryFolder();
    const calls = callsOfWriting(folderIn(folder.path, "whole"), join(folder.path, "log"));
    const own = calls.filter(({ name }) => /^(pwrite64|write|ftruncate|fsync|close|rename)$/.test(name));
    assert.ok(
      own.some(({ name }) => name === "rename") && own.some(({ name }) => name === "fsync"),
      JSON.stringify(calls),
    );
    const found: string[] = [];
    for (const [i, { name, nth }] of own.entries()) {
      const injected = ["-o", "/dev/null", "-e", `trace=${name}`, "-e", `inject=${name}:signal=KILL:when=${nth}`];
      // Node itself makes a call more or less now and then: where the kill came too late, it is tried again.
      for (let attempt = 0; ; attempt++) {
        const job = folderIn(folder.path, `${i}-${attempt}`);
        const { signal } = strace(job, ...injected);
        found.push(stateIn(job));
        if (signal === "SIGKILL") break;
        assert.ok(attempt < 20, `${name} ${nth}: never killed`);
      }
    }
    console.log(`killed at ${own.map(({ name }) => name).join(", ")}: ${found.join(", ")}`);
    assert.ok(found.includes("RUNNING without a record") && found.includes("RUNNING with its record"));
    assert.is(stateIn(join(folder.path, "whole")), "COMPLETED with its record");
  },
);

/** Throws on anything but a whole old or a whole new file. */
function stateIn(job: string): string {
  const state = readFileSync(join(job, "state"), "utf8");
  const exit = join(job, "exit.json");
  assert.ok(state === "RUNNING\n" || state === "COMPLETED\n", JSON.stringify(state));
  if (existsSync(exit)) assert.equal(JSON.parse(readFileSync(exit, "utf8")), record);
  else assert.is(state, "RUNNING\n", "the state never comes before the record");
  return `${state.trim()} ${existsSync(exit) ? "with its" : "without a"} record`;
}
