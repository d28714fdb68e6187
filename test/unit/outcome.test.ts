import { constants } from "node:os";
import * as assert from "uvu/assert";
import { type End, exitRecord, signalName, stateOf } from "../../sandbox/init/outcome.ts";
import type { ExitRecord, SandboxSpec } from "../../sandbox/spec.ts";
import { exitCodeOf } from "../../src/cli/exit-code.ts";
import { suite } from "../support/suite.ts";

const test = suite("outcome and exit code");

const spec = {
  limits: { cpus: 0, memoryBytes: 64 << 20, ioBytesPerSecond: 0, pids: 512 },
  timeoutMs: 1500,
} as SandboxSpec;

function recordOf(end: Partial<End>): ExitRecord {
  const usage = { cpuSeconds: 1, memoryBytes: 0, memoryPeakBytes: 64 << 20, pids: 0 };
  const nothing: End = {
    status: null,
    failure: null,
    ending: null,
    oomKills: 0,
    forbiddenCall: "",
    outputFailure: "",
    startedAtMs: 1,
    finishedAtMs: 2,
    usage,
  };
  return exitRecord(spec, { ...nothing, ...end });
}

const exited = (code: number) => code << 8;
const killed = (signal: number) => signal;
const dumped = (signal: number) => signal | 0x80;

test("signals have their usual names, and all 64 have one of their own", () => {
  assert.is(signalName(6), "SIGABRT");
  assert.is(signalName(29), "SIGIO");
  assert.is(signalName(constants.signals.SIGCHLD), "SIGCHLD");
  assert.is(signalName(32), "SIG32");
  assert.is(signalName(34), "SIGRTMIN");
  assert.is(signalName(36), "SIGRTMIN+2");
  assert.is(signalName(64), "SIGRTMIN+30");
  const names = Array.from({ length: 64 }, (_, i) => signalName(i + 1));
  assert.is(new Set(names).size, 64);
});

test("every signal that ends a command becomes 128 and its number", () => {
  for (let signal = 1; signal <= 64; signal++) {
    if (signal === constants.signals.SIGSYS) continue;
    for (const status of [killed(signal), dumped(signal)]) {
      const record = recordOf({ status });
      assert.is(record.cause, "SIGNALED");
      assert.is(record.exitCode, null);
      assert.is(exitCodeOf(record), 128 + signal);
    }
  }
});

test("every exit code is the command's own", () => {
  for (let code = 0; code <= 255; code++) {
    const record = recordOf({ status: exited(code) });
    assert.equal([record.cause, record.exitCode, record.signal], ["EXITED", code, null]);
    assert.is(exitCodeOf(record), code);
    assert.is(record.message, `exited with code ${code}`);
    assert.is(stateOf(record), code === 0 ? "COMPLETED" : "FAILED");
  }
});

test("out of memory counts before the signal that the kernel sent, and before a survivor's own code", () => {
  const record = recordOf({ status: killed(9), oomKills: 1 });
  assert.equal([record.cause, record.signal, exitCodeOf(record)], ["OOM", "SIGKILL", 137]);
  assert.is(record.message, "out of memory (limit 64M, peak 64M)");
  const survivor = recordOf({ status: exited(0), oomKills: 2 });
  assert.equal([survivor.cause, exitCodeOf(survivor), stateOf(survivor)], ["OOM", 137, "FAILED"]);
});

test("a timeout and a stop keep how the command ended and say why", () => {
  const timeout = recordOf({ status: exited(0), ending: { cause: "TIMEOUT" } });
  assert.equal([timeout.cause, timeout.exitCode, exitCodeOf(timeout), stateOf(timeout)], ["TIMEOUT", 0, 124, "FAILED"]);
  assert.is(timeout.message, "ran longer than its timeout of 1.5s");
  const timeoutWithOom = recordOf({ status: killed(9), ending: { cause: "TIMEOUT" }, oomKills: 1 });
  assert.is(timeoutWithOom.cause, "TIMEOUT");

  const stopped = recordOf({ status: killed(15), ending: { cause: "STOPPED", by: "alice" } });
  assert.equal([stopped.cause, stopped.by, exitCodeOf(stopped)], ["STOPPED", "alice", 143]);
  assert.is(stopped.message, "stopped by alice");
  const polite = recordOf({ status: exited(0), ending: { cause: "STOPPED", by: "alice" } });
  assert.equal([exitCodeOf(polite), stateOf(polite)], [0, "COMPLETED"]);
});

test("a seccomp kill is told from other signals", () => {
  const record = recordOf({ status: dumped(constants.signals.SIGSYS) });
  assert.equal([record.cause, record.signal, exitCodeOf(record)], ["SECCOMP", "SIGSYS", 159]);
});

test("a failed start has neither code nor signal, and its exit code tells what was not found from what does not run", () => {
  const cases: [string, string, number][] = [
    ["find", "ENOENT", 127],
    ["find", "ENAMETOOLONG", 127],
    ["find", "EACCES", 126],
    ["find", "EISDIR", 126],
    ["exec", "ENOEXEC", 126],
    ["exec", "ENOENT", 126],
    ["rootfs", "ENOENT", 125],
    ["cwd", "ENOENT", 125],
    ["zygote", "", 125],
  ];
  for (const [step, errno, code] of cases) {
    const record = recordOf({ status: exited(125), failure: { step, errno, message: "why" } });
    assert.equal([record.cause, record.exitCode, record.signal, record.message], ["START_FAILED", null, null, "why"]);
    assert.is(exitCodeOf(record), code, `${step} ${errno}`);
    assert.is(stateOf(record), "FAILED");
  }
});

test("a job that was lost ends 125, and one over its output limit 137", () => {
  const end = { exitCode: null, signal: null, step: "", errno: "" };
  assert.is(exitCodeOf({ ...end, cause: "LOST" }), 125);
  assert.is(exitCodeOf({ ...end, cause: "OUTPUT_LIMIT", signal: "SIGKILL" }), 137);
});
