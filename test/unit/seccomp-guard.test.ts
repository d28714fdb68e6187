import * as assert from "uvu/assert";
import { callNumber } from "../../sandbox/seccomp/calls.ts";
import { compileSetuidGuard } from "../../sandbox/seccomp/setuid-guard.ts";
import { runFilter } from "../support/bpf.ts";
import { answer, answerName } from "../support/seccomp.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("the set-uid guard");
const libseccomp = requires("libseccomp");

const modeArgument = {
  chmod: 1,
  fchmod: 1,
  creat: 1,
  mkdir: 1,
  mknod: 1,
  fchmodat: 2,
  fchmodat2: 2,
  mkdirat: 2,
  mknodat: 2,
  open: 2,
  openat: 3,
} as const;

test("refuses set-uid and set-gid modes in every call that takes a mode", libseccomp, () => {
  const guard = compileSetuidGuard();
  for (const [call, index] of Object.entries(modeArgument)) {
    if (callNumber(call) === null) continue;
    const withMode = (mode: bigint) => answer(guard, call, ...Array<bigint>(index).fill(~0n & 0xffff_ffffn), mode);
    for (const mode of [0o4000n, 0o2000n, 0o6755n, 0o104755n, (1n << 32n) | 0o4755n, (1n << 63n) | 0o2000n]) {
      assert.is(withMode(mode), "ERRNO 1", `${call} 0${mode.toString(8)}`);
    }
    for (const mode of [0n, 0o755n, 0o1777n, 0o100644n, 1n << 43n])
      assert.is(withMode(mode), "ALLOW", `${call} ${mode}`);
  }
});

test("hides nothing behind pointers and leaves the rest alone", libseccomp, () => {
  const guard = compileSetuidGuard();
  assert.is(answer(guard, "openat2"), "ERRNO 38");
  assert.is(answer(guard, "io_uring_setup"), "ERRNO 38");
  for (const call of ["read", "execve", "seccomp", "prctl", "ptrace", "mount"]) assert.is(answer(guard, call), "ALLOW");
});

test("closes the i386 entry, whose chmod has another number", libseccomp, () => {
  const i386chmod = { number: 15, architecture: 0x40000003, args: [0n, 0o4755n] };
  assert.is(answerName(runFilter(compileSetuidGuard(), i386chmod)), "KILL_PROCESS");
});
