import * as assert from "uvu/assert";
import { hostArchitecture } from "../../sandbox/seccomp/architecture.ts";
import { callNumber } from "../../sandbox/seccomp/calls.ts";
import { ProfileError } from "../../sandbox/seccomp/errors.ts";
import { isNotifying } from "../../sandbox/seccomp/kill-notice.ts";
import { seccompApiLevel, seccompVersion } from "../../sandbox/sys/seccomp.ts";
import { runFilter } from "../support/bpf.ts";
import { answer, answerName, answerToNumber, compileObject } from "../support/seccomp.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("seccomp profiles compile to what they say");
const libseccomp = requires("libseccomp");

const dirty = 1n << 32n;
const eq = (index: number, value: number) => ({ index, value, op: "SCMP_CMP_EQ" });

function allowing(names: string[], args: object[] = []) {
  return { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names, action: "SCMP_ACT_ALLOW", args }] };
}

function refusal(profile: unknown): string {
  try {
    compileObject(profile);
  } catch (error) {
    assert.instance(error, ProfileError);
    return (error as Error).message;
  }
  throw new Error("the profile was taken");
}

test("an allow list allows what it names", libseccomp, () => {
  const program = compileObject(allowing(["read", "write", "openat"]));
  assert.is(answer(program, "write"), "ALLOW");
  assert.is(answer(program, "close"), "ERRNO 1");
});

test("every action arrives as its own code, kills as a notification that init answers by killing", libseccomp, () => {
  const codes = {
    KILL_PROCESS: "NOTIFY",
    KILL_THREAD: "NOTIFY",
    KILL: "NOTIFY",
    TRAP: "NOTIFY",
    LOG: "LOG",
    ALLOW: "ALLOW",
  };
  for (const [action, code] of Object.entries(codes)) {
    const rule = { names: ["getpid"], action: `SCMP_ACT_${action}` };
    const program = compileObject({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [rule] });
    assert.is(answer(program, "getpid"), code);
    assert.is(isNotifying(Buffer.from(program)), code === "NOTIFY");
  }
  const errno = { names: ["getpid"], action: "SCMP_ACT_ERRNO", errnoRet: 77 };
  const trace = { names: ["getppid"], action: "SCMP_ACT_TRACE", errnoRet: 5 };
  const program = compileObject({ defaultAction: "SCMP_ACT_KILL", syscalls: [errno, trace] });
  assert.is(answer(program, "getpid"), "ERRNO 77");
  assert.is(answer(program, "getppid"), "TRACE 5");
  assert.is(answer(program, "gettid"), "NOTIFY");
});

test("dirty upper bits of a 32-bit argument neither open nor close anything", libseccomp, () => {
  const allow = compileObject(allowing(["socket"], [eq(0, 1)]));
  assert.is(answer(allow, "socket", 1), "ALLOW");
  assert.is(answer(allow, "socket", 1n | dirty), "ALLOW");
  assert.is(answer(allow, "socket", 2n | dirty), "ERRNO 1");
  for (const op of ["SCMP_CMP_NE", "SCMP_CMP_GT"]) {
    const others = compileObject(allowing(["socket"], [{ index: 0, value: 40, op }]));
    assert.is(answer(others, "socket", 40n | dirty), "ERRNO 1", `${op} 40 takes 40 | 1<<32`);
    assert.is(answer(others, "socket", 41), "ALLOW");
  }
  const smaller = compileObject(allowing(["socket"], [{ index: 0, value: 40, op: "SCMP_CMP_LT" }]));
  assert.is(answer(smaller, "socket", 39n | dirty), "ALLOW");
  assert.is(answer(smaller, "socket", 40n | dirty), "ERRNO 1");
});

test("64-bit arguments are compared whole", libseccomp, () => {
  const program = compileObject(allowing(["lseek"], [{ index: 1, value: 2 ** 40, op: "SCMP_CMP_GE" }]));
  assert.is(answer(program, "lseek", 0, 2n ** 40n), "ALLOW");
  assert.is(answer(program, "lseek", 0, 2n ** 40n - 1n), "ERRNO 1");
  assert.is(answer(program, "lseek", 0, 2n ** 63n), "ALLOW");
});

test("modes are 16 bits wide", libseccomp, () => {
  const program = compileObject(allowing(["fchmod"], [eq(1, 0o644)]));
  assert.is(answer(program, "fchmod", 3, 0o644n | (1n << 16n)), "ALLOW");
  assert.is(answer(program, "fchmod", 3, 0o645), "ERRNO 1");
});

test("the strictest of several matching rules wins, wherever it stands", libseccomp, () => {
  const allow = { names: ["ioctl"], action: "SCMP_ACT_ALLOW" };
  const deny = { names: ["ioctl"], action: "SCMP_ACT_ERRNO", errnoRet: 13, args: [eq(1, 0x5412)] };
  const kill = { names: ["ioctl"], action: "SCMP_ACT_KILL_PROCESS", args: [eq(0, 7), eq(1, 0x5412)] };
  const orders = [
    [allow, deny, kill],
    [kill, allow, deny],
  ];
  for (const syscalls of orders) {
    const program = compileObject({ defaultAction: "SCMP_ACT_ERRNO", syscalls });
    assert.is(answer(program, "ioctl", 1, 0x5413), "ALLOW");
    assert.is(answer(program, "ioctl", 1, 0x5412), "ERRNO 13");
    assert.is(answer(program, "ioctl", 7, 0x5412n | dirty), "NOTIFY");
  }
});

test("i386 and x32 entries end the process whatever the profile lists", libseccomp, () => {
  const i386 = 0x40000003;
  const architectures = [hostArchitecture().name, "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
  const profiles = [allowing(["exit", "read"]), { defaultAction: "SCMP_ACT_ALLOW", architectures }];
  for (const profile of profiles) {
    const program = compileObject(profile);
    const old = runFilter(program, { number: 1, architecture: i386 });
    assert.is(answerName(old), "KILL_PROCESS");
    if (process.arch !== "x64") continue;
    assert.is(answerToNumber(program, 0x40000000), "KILL_PROCESS");
    assert.is(answerToNumber(program, 0x40000000 + 60), "KILL_PROCESS");
  }
});

test("calls newer than the profile get ENOSYS, older ones that it leaves out get its default", libseccomp, () => {
  const program = compileObject(allowing(["read", "openat2"]));
  assert.is(answerToNumber(program, 438), "ERRNO 38");
  assert.is(answerToNumber(program, 9999), "ERRNO 38");
  assert.is(answerToNumber(program, 400), "ERRNO 38", "400 belongs to no call");
  assert.is(answer(program, "close_range"), "ERRNO 1");
});

test("a default that kills or allows keeps its word for unknown calls", libseccomp, () => {
  const rule = { names: ["read"], action: "SCMP_ACT_LOG" };
  for (const [action, code] of [
    ["KILL_PROCESS", "NOTIFY"],
    ["ALLOW", "ALLOW"],
  ] as const) {
    const program = compileObject({ defaultAction: `SCMP_ACT_${action}`, syscalls: [rule] });
    assert.is(answerToNumber(program, 9999), code);
  }
});

test("includes and excludes decide by capability, architecture and kernel", libseccomp, () => {
  const other = process.arch === "x64" ? "arm64" : "amd64";
  const conditions: [object, boolean][] = [
    [{ includes: { caps: ["CAP_SYS_PTRACE"] } }, true],
    [{ includes: { caps: ["CAP_SYS_PTRACE", "CAP_SYS_NICE"] } }, false],
    [{ excludes: { caps: ["CAP_SYS_PTRACE", "CAP_SYS_NICE"] } }, false],
    [{ excludes: { caps: ["CAP_SYS_NICE"] } }, true],
    [{ includes: { arches: [hostArchitecture().goName, other] } }, true],
    [{ includes: { arches: [other] } }, false],
    [{ excludes: { arches: [hostArchitecture().goName] } }, false],
    [{ includes: { minKernel: "4.8" } }, true],
    [{ includes: { minKernel: "999.0" } }, false],
    [{ excludes: { minKernel: "4.8" } }, false],
  ];
  for (const [condition, applies] of conditions) {
    const rule = { names: ["ptrace"], action: "SCMP_ACT_ALLOW", ...condition };
    const profile = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [rule] };
    for (const capability of ["SYS_PTRACE", "CAP_SYS_PTRACE"]) {
      const said = answer(compileObject(profile, [capability]), "ptrace");
      assert.is(said, applies ? "ALLOW" : "ERRNO 1", JSON.stringify(condition));
    }
  }
});

test("refuses unknown system calls by name, in rules that do not apply too", libseccomp, () => {
  const never = { names: ["read", "raed"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "999.0" } };
  assert.match(
    refusal({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [never] }),
    /^test\.json: syscalls\[0\]\.names\[1\]: "raed" is no system call that this host's libseccomp knows; correct/,
  );
});

test("takes calls of other architectures and of newer kernels", libseccomp, () => {
  const program = compileObject(allowing(["s390_runtime_instr", "riscv_hwprobe", "mseal", "read"]));
  assert.is(callNumber("s390_runtime_instr"), null);
  assert.is(callNumber("riscv_hwprobe"), null);
  assert.is(answerToNumber(program, 462), "ALLOW");
});

test("refuses comparisons that mean nothing", libseccomp, () => {
  const tooWide = refusal(allowing(["socket"], [eq(0, 2 ** 32)]));
  assert.match(tooWide, /syscalls\[0\]\.args\[0\]: value does not fit the call's 32-bit argument/);
  assert.match(refusal(allowing(["socket"], [eq(3, 1)])), /args\[0\]\.index: socket has 3 arguments, numbered from 0/);
  const architectures = [process.arch === "x64" ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64"];
  assert.match(refusal({ defaultAction: "SCMP_ACT_ALLOW", architectures }), /architectures: does not contain/);
});

test("refuses profiles that would explode", libseccomp, () => {
  const ranges = [0, 1, 2, 3].map((index) => ({ index, value: 0x5555_5555, op: "SCMP_CMP_NE" }));
  assert.match(refusal(allowing(["mmap"], ranges)), /syscall mmap: its comparisons are too intricate/);
  const two = ranges.slice(0, 2).map((arg) => ({ ...arg, op: "SCMP_CMP_GT" }));
  assert.match(
    refusal(allowing(["mmap"], two)),
    /^test\.json: compiles to \d+ instructions, the kernel takes 4096; use/,
  );
  const many = ["mmap", "munmap", "mprotect", "mremap", "madvise"];
  assert.match(
    refusal(allowing(many, two)),
    /^test\.json: compiles to more than 4096 instructions, the kernel takes 4096;/,
  );
});

test("libseccomp is new enough for the binary tree and for killing processes", libseccomp, () => {
  assert.match(seccompVersion(), /^2\.([5-9]|\d\d)\.\d+$/);
  assert.ok(seccompApiLevel() >= 3);
});
