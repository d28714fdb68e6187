import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { callName, callNumber } from "../../sandbox/seccomp/calls.ts";
import defaultProfile from "../../sandbox/seccomp/default.json" with { type: "json" };
import { type SeccompChoice, seccompPrograms } from "../../sandbox/seccomp/programs.ts";
import { root } from "../support/runner/catalog.ts";
import { answer, answerToNumber } from "../support/seccomp.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("the default seccomp profile");
const libseccomp = requires("libseccomp");

/** Highest number that the list of allowed calls was made with. */
const highest = 470;
const dirty = 1n << 32n;

function programs(choice: SeccompChoice, writableGrants = false, capabilities: string[] = []): Buffer[] {
  return seccompPrograms(choice, { capabilities, writableGrants }).map((program) => Buffer.from(program, "base64"));
}

function profile(capabilities: string[] = []): Buffer {
  const [program] = programs({ kind: "default" }, false, capabilities);
  if (program === undefined) throw new Error("no program");
  return program;
}

test("allows the committed list of calls, and no other", libseccomp, () => {
  const allowed = new Set<string>();
  const program = profile();
  const netlinkAudit = [16, 0, 9];
  const probes = [[0], [0, 0], [1], netlinkAudit];
  for (let number = 0; number <= highest; number++) {
    if (!probes.some((args) => answerToNumber(program, number, ...args) === "ALLOW")) continue;
    allowed.add(callName(number) ?? `${number}`);
  }
  // The list is x86_64's; other machines lack some of its calls and add none.
  const list = readFileSync(join(root, "test/security/default-syscalls.txt"), "utf8").trimEnd().split("\n");
  const here = list.filter((name) => typeof callNumber(name) === "number");
  assert.equal([...allowed].sort(), here);
});

test("names every call of the host", libseccomp, () => {
  const named = new Set(defaultProfile.syscalls.flatMap((rule) => rule.names));
  for (let number = 0; number <= highest; number++) {
    const name = callName(number);
    if (name !== null) assert.ok(named.has(name), `${name} (${number}) is not in default.json`);
  }
});

test("refuses the kernel's dangerous doors with EPERM", libseccomp, () => {
  const program = profile();
  const refused =
    "keyctl add_key request_key bpf perf_event_open userfaultfd kexec_load kexec_file_load init_module finit_module " +
    "delete_module open_by_handle_at name_to_handle_at ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp mount " +
    "umount2 pivot_root chroot swapon swapoff reboot settimeofday clock_settime clock_adjtime adjtimex quotactl " +
    "quotactl_fd io_uring_setup io_uring_enter io_uring_register lookup_dcookie iopl ioperm syslog acct setns " +
    "fsopen fsmount fsconfig fspick move_mount open_tree open_tree_attr mount_setattr sethostname setdomainname vhangup " +
    "fanotify_init mbind set_mempolicy move_pages";
  for (const call of refused.split(" ")) {
    if (typeof callNumber(call) === "number") assert.is(answer(program, call), "ERRNO 1", call);
  }
});

test("answers ENOSYS to clone3 and to calls that nobody knows", libseccomp, () => {
  const program = profile();
  assert.is(answer(program, "clone3"), "ERRNO 38");
  for (const number of [400, 471, 500, 1000, 0x3fffffff]) assert.is(answerToNumber(program, number), "ERRNO 38");
});

test("clone and unshare make no namespace, with dirty upper bits neither", libseccomp, () => {
  const program = profile();
  const namespaces = [0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000];
  for (const flag of namespaces) {
    for (const flags of [BigInt(flag), BigInt(flag) | dirty, BigInt(flag) | 0x11n]) {
      assert.is(answer(program, "clone", flags), "ERRNO 1", `clone ${flags}`);
      assert.is(answer(program, "unshare", flags), "ERRNO 1", `unshare ${flags}`);
    }
  }
  assert.is(answer(program, "unshare", 0x80), "ERRNO 1", "CLONE_NEWTIME");
  const pthread = 0x3d0f00;
  const fork = 0x01200011;
  const vfork = 0x4111;
  for (const flags of [pthread, fork, vfork]) assert.is(answer(program, "clone", flags), "ALLOW");
});

test("sockets are local, internet or route netlink", libseccomp, () => {
  const program = profile();
  for (let family = 0; family < 50; family++) {
    const expected = [1, 2, 10, 16].includes(family) ? "ALLOW" : "ERRNO 1";
    assert.is(answer(program, "socket", family, 1, 0), expected, `family ${family}`);
    assert.is(answer(program, "socket", BigInt(family) | dirty, 1, 0), expected, `dirty family ${family}`);
    assert.is(answer(program, "socketpair", family, 1, 0), family === 1 ? "ALLOW" : "ERRNO 1", `pair ${family}`);
  }
  for (let protocol = 1; protocol < 25; protocol++) {
    const expected = protocol === 9 ? "ERRNO 93" : "ERRNO 1";
    assert.is(answer(program, "socket", 16, 3, protocol), expected, `netlink ${protocol}`);
    assert.is(answer(program, "socket", 16n | dirty, 3, BigInt(protocol) | dirty), expected);
  }
});

test("no ioctl types into terminals or loads line disciplines", libseccomp, () => {
  const program = profile();
  for (const request of [0x5412, 0x541c, 0x5423]) {
    assert.is(answer(program, "ioctl", 0, request), "ERRNO 1");
    assert.is(answer(program, "ioctl", 0, BigInt(request) | dirty), "ERRNO 1");
    assert.is(answer(program, "ioctl", 0, BigInt(request) | (0xffffffffn << 32n)), "ERRNO 1");
  }
  const harmless = [0x5401, 0x5402, 0x5411, 0x5413, 0x5414, 0x541b, 0x541d, 0x5421, 0x5422, 0x80045430, 0];
  for (const request of harmless) assert.is(answer(program, "ioctl", 0, request), "ALLOW", request.toString(16));
});

test("personality and prctl take harmless values only", libseccomp, () => {
  const program = profile();
  for (const value of [0, 8, 0x20000, 0x20008, 0xffffffff]) assert.is(answer(program, "personality", value), "ALLOW");
  for (const value of [0x0040000, 0x0100000, 0x0400000, 0x0800000, 0x40000n | dirty]) {
    assert.is(answer(program, "personality", value), "ERRNO 1");
  }
  assert.is(answer(program, "prctl", 38), "ALLOW");
  assert.is(answer(program, "prctl", 35), "ERRNO 1");
  assert.is(answer(program, "prctl", 35n | dirty), "ERRNO 1");
});

test("capabilities open what they stand for", libseccomp, () => {
  assert.is(answer(profile(["SYS_PTRACE"]), "ptrace"), "ALLOW");
  assert.is(answer(profile(["CAP_SYS_PTRACE"]), "kcmp"), "ALLOW");
  assert.is(answer(profile(["CHOWN"]), "ptrace"), "ERRNO 1");
  assert.is(answer(profile(["SYS_CHROOT"]), "chroot"), "ALLOW");
  assert.is(answer(profile(["SYS_NICE"]), "mbind"), "ALLOW");
  assert.is(answer(profile(["SYS_ADMIN"]), "mount"), "ERRNO 1");
});

test("writable grants bring the guard, before the profile and without one", libseccomp, () => {
  const [guard, second, ...more] = programs({ kind: "default" }, true);
  assert.is(more.length, 0);
  assert.is(answer(guard ?? Buffer.alloc(0), "fchmod", 0, 0o4755), "ERRNO 1");
  assert.equal(second, profile());
  assert.equal(programs({ kind: "unconfined" }, true), [guard]);
  assert.equal(programs({ kind: "unconfined" }), []);
});

test("a profile file that is not there is refused by its path", () => {
  const read = () => programs({ kind: "file", path: "/nonexistent/p.json" });
  assert.throws(read, "/nonexistent/p.json: the seccomp profile cannot be read (ENOENT); check the path");
});

test("a profile comes as text too", libseccomp, () => {
  const text =
    '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}';
  const [program] = programs({ kind: "text", text });
  assert.is(answer(program ?? Buffer.alloc(0), "mkdirat"), "NOTIFY");
  assert.throws(() => programs({ kind: "text", text: "{" }), /^profile: is not JSON/);
});
