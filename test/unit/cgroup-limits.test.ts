import * as assert from "uvu/assert";
import { CgroupError } from "../../sandbox/cgroup/errors.ts";
import { checkRequest, cpuQuotaUs, minimumMemoryBytes } from "../../sandbox/cgroup/limits.ts";
import type { Limits } from "../../sandbox/spec.ts";
import { suite } from "../support/suite.ts";

const test = suite("cgroup limits");
const none: Limits = { cpus: 0, memoryBytes: 0, ioBytesPerSecond: 0, pids: 0 };

/** The refusal of one request; fails when it is accepted. */
function refusal(limits: Partial<Limits>, disks: readonly string[] = ["8:0"], unenforceable = {}, name = "7"): string {
  try {
    checkRequest({ name, limits: { ...none, ...limits }, disks }, unenforceable);
  } catch (error) {
    assert.instance(error, CgroupError);
    return (error as CgroupError).message;
  }
  throw new Error("the request was accepted");
}

test("cores become microseconds of a period of 100 ms", () => {
  assert.is(cpuQuotaUs(0.5), 50_000);
  assert.is(cpuQuotaUs(0.01), 1_000);
  assert.is(cpuQuotaUs(1.5), 150_000);
  assert.is(cpuQuotaUs(0.333333), 33_333);
});

test("less than the kernel's smallest share is refused, and so is more than its largest", () => {
  assert.is(
    refusal({ cpus: 0.009 }),
    "limits.cpus: 0.009 is too low: the least that the kernel can grant is 0.01 cores",
  );
  assert.match(refusal({ cpus: 1e9 }), /^limits\.cpus: 1000000000 is too high: /);
});

test("no limit at all needs neither controllers nor disks", () => {
  checkRequest(
    { name: "1", limits: none, disks: [] },
    { cpus: "no", memoryBytes: "no", pids: "no", ioBytesPerSecond: "no" },
  );
});

test("what is no number is refused by field", () => {
  for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const field of ["cpus", "memoryBytes", "ioBytesPerSecond", "pids"] as const) {
      assert.is(refusal({ [field]: value }), `limits.${field}: ${value} is not a number from 0 up`);
    }
  }
  assert.is(refusal({ pids: 1.5 }), "limits.pids: 1.5 is not a whole number below 2^53");
  assert.is(
    refusal({ memoryBytes: 2 ** 63 }),
    "limits.memoryBytes: 9223372036854776000 is not a whole number below 2^53",
  );
});

test("too little memory to start a command is refused with what to ask for", () => {
  assert.is(
    refusal({ memoryBytes: 512 * 1024 }),
    "limits.memoryBytes: 524288 is too low to start a command: ask for at least 1048576 (1M)",
  );
  checkRequest({ name: "1", limits: { ...none, memoryBytes: minimumMemoryBytes }, disks: [] }, {});
});

test("more processes than the kernel has are refused", () => {
  assert.match(refusal({ pids: 4_194_305 }), /^limits\.pids: 4194305 is too high: /);
  checkRequest({ name: "1", limits: { ...none, pids: 4_194_304 }, disks: [] }, {});
});

test("an io limit without a disk is refused, and so is what is no disk", () => {
  assert.match(refusal({ ioBytesPerSecond: 1 }, []), /^limits\.ioBytesPerSecond: no disk to limit: /);
  assert.is(refusal({ ioBytesPerSecond: 1 }, ["8:0 rbps=1"]), 'disk "8:0 rbps=1" is not MAJOR:MINOR');
});

test("a limit that the host cannot enforce is refused with the plan's reason", () => {
  assert.is(
    refusal({ pids: 5 }, [], { pids: "this host has no pids controller" }),
    "limits.pids: this host has no pids controller",
  );
});

test("a group's name cannot leave the folder of the jobs or be a file of it", () => {
  for (const name of ["", "..", "a/b", "cgroup.procs", "a\nb", "x".repeat(129)]) {
    assert.match(refusal({}, [], {}, name), /^group name /);
  }
});
