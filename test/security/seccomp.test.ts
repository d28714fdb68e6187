import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { callName, callNumber } from "../../sandbox/seccomp/calls.ts";
import { root as checkout } from "../support/runner/catalog.ts";
import { runSandbox, runScript } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks, assertNoneWorked, assertResults, parseAttempts, profiles } from "./attacks.ts";

const test = suite("system calls, from inside");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");
const sigsys = "signal:31";

test("K02 what the loaded filter lets through is the committed list", compiler, async () => {
  using attacks = new Attacks("syscall-sweep");
  const answers = await attacks.run(["syscall-sweep"]);
  assert.ok(answers.size > 1000);
  const allowed = [...answers]
    .filter(([, answer]) => answer === "allowed")
    .map(([number]) => callName(Number(number)) ?? number);
  const list = readFileSync(join(checkout, "test/security/default-syscalls.txt"), "utf8").trimEnd().split("\n");
  // No filter is asked for these two (syscall-sweep.c).
  const here = list.filter((name) => typeof callNumber(name) === "number" && !/^u(ret)?probe$/.test(name));
  assert.equal(allowed.sort(), here);
  const words = new Set([...answers.values()]);
  assert.equal([...words].sort(), ["ENOSYS", "EPERM", "allowed"]);
});

test("K02 without a profile the sweep finds everything open", compiler, async () => {
  using attacks = new Attacks("syscall-sweep");
  const answers = await attacks.run(["syscall-sweep"], ["--seccomp", "unconfined"]);
  assert.is(answers.get(String(callNumber("mount"))), "allowed");
  assert.is([...answers.values()].filter((answer) => answer !== "allowed").length, 0);
});

test("K03 K06 the dangerous calls get EPERM, unknown ones and clone3 ENOSYS", compiler, async () => {
  using attacks = new Attacks("kernel-attacks");
  const attempts = await attacks.run(["kernel-attacks"]);
  assertNoneWorked(attempts, 50);
  const missing = ["clone3", "nfsservctl", "unknown-471", "unknown-1000", "unknown-million"];
  const refused = [...attempts.keys()].filter((name) => !missing.includes(name));
  assertResults(attempts, Object.fromEntries(refused.map((name) => [name, "EPERM"])));
  assertResults(attempts, Object.fromEntries(missing.map((name) => [name, "ENOSYS"])));
});

test("K03 administration of the host is closed without a profile too", compiler, async () => {
  using attacks = new Attacks("kernel-attacks");
  assertNoneWorked(await attacks.run(["kernel-attacks", "administration"], ["--seccomp", "unconfined"]), 22);
});

test(
  "K01 the probes of moby's syscall test: acct, ns, userns, raw, setuid, setgid, socket, exit32",
  compiler,
  async () => {
    using attacks = new Attacks("kernel-attacks", "mount-attacks", "capability-attacks", "other-entries");
    assertResults(await attacks.run(["kernel-attacks"]), { acct: "EPERM" });
    assertResults(await attacks.run(["mount-attacks"]), {
      "clone-mnt": "EPERM",
      "clone-user": "EPERM",
      "unshare-user": "EPERM",
    });
    const identity = { "raw-socket": "EPERM", "packet-socket": "EPERM", setuid: "EPERM", setgid: "EPERM" };
    assertResults(await attacks.run(["capability-attacks"]), identity);
    assertResults(await attacks.run(["other-entries"]), { "int80-exit": sigsys });
  },
);

test("K04 only local, internet and route sockets can be made", compiler, async () => {
  using attacks = new Attacks("dirty-arguments");
  const attempts = await attacks.run(["dirty-arguments"]);
  const made = [...attempts].filter(([name, result]) => name.startsWith("family-") && result !== "EPERM");
  const families = new Set(made.map(([name]) => Number(name.split("-")[1])));
  assert.equal([...families], [1, 2, 10, 16]);
  assertResults(attempts, {
    "AF_ALG-0": "EPERM",
    "AF_VSOCK-0": "EPERM",
    "AF_PACKET-0": "EPERM",
    "NETLINK_XFRM-0": "EPERM",
  });
});

test("K05 i386 and x32 entries end the process", requires("root", "libseccomp", "gcc"), async () => {
  if (process.arch !== "x64") return; // other machines have no such entries
  using attacks = new Attacks("other-entries");
  const attempts = await attacks.run(["other-entries"]);
  assert.is(attempts.size, 8);
  assert.equal(new Set(attempts.values()), new Set([sigsys]));
});

test("K06 the C library falls back from clone3: processes and threads start", root, async () => {
  const threads = "use threads; 1";
  const ran = await runScript(`perl -e '${threads}' 2>/dev/null; (echo child) & wait; xz -T2 --version | head -1`);
  assert.match(ran.stdout, /^child\nxz/);
});

test("K07 clone takes no namespace flag, and plain threads work", compiler, async () => {
  using attacks = new Attacks("mount-attacks");
  const attempts = await attacks.run(["mount-attacks"]);
  const kinds = ["mnt", "uts", "ipc", "net", "pid", "cgroup", "user"];
  assertResults(attempts, Object.fromEntries(kinds.map((kind) => [`clone-${kind}`, "EPERM"])));
  const ran = await runScript("head -c 4000000 /dev/zero | xz -T2 --block-size=1000000 | xz -d | wc -c");
  assert.is(ran.stdout.trim(), "4000000");
});

test("K12 arguments with dirty upper halves are refused like clean ones", compiler, async () => {
  using attacks = new Attacks("dirty-arguments");
  const attempts = await attacks.run(["dirty-arguments"]);
  const dirty = [...attempts].filter(([name]) => !name.startsWith("family-"));
  assert.is(dirty.length, 80);
  assert.equal(
    dirty.filter(([, result]) => result !== "EPERM"),
    [],
  );
});

test("K13 the filter is there for every child, and cannot be taken off", root, async () => {
  const look = "grep -E '^(Seccomp|NoNewPrivs)' /proc/self/status | tr -d '\\t\\n'; echo";
  const ran = await runScript(
    `${look}; sh -c "${look.replaceAll("'", "'")}"; setsid sh -c "${look}"; unshare -U true || echo refused`,
  );
  const line = "NoNewPrivs:1Seccomp:2Seccomp_filters:1";
  assert.is(ran.stdout, `${line}\n${line}\n${line}\nrefused\n`);
});

function profileFile(attacks: Attacks, name: string, profile: unknown): string {
  const path = join(attacks.folder, name);
  writeFileSync(path, typeof profile === "string" ? profile : JSON.stringify(profile));
  return path;
}

test("K13 a bad profile is refused by name before anything starts", compiler, async () => {
  using attacks = new Attacks();
  const rule = (names: string[]) => ({ names, action: "SCMP_ACT_ERRNO" });
  const bad: [unknown, RegExp][] = [
    ["{ not json", /bad\.json/],
    [{ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule(["no_such_call"])] }, /no_such_call/],
    [{ defaultAction: "SCMP_ACT_MAYBE" }, /SCMP_ACT_MAYBE/],
    [{ defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_PDP11"] }, /SCMP_ARCH_PDP11/],
    [{ defaultAction: "SCMP_ACT_ALLOW", surprise: 1 }, /surprise/],
  ];
  for (const [profile, reason] of bad) {
    const ran = await runSandbox(["--seccomp", profileFile(attacks, "bad.json", profile), "--", "echo", "started"]);
    assert.equal([ran.code, ran.stdout], [125, ""]);
    assert.match(ran.stderr, reason);
  }
  assert.is((await runSandbox(["--seccomp", "/nonexistent/p.json", "--", "true"])).code, 125);
});

test("K14 a user's profile: deny list, allow list, and the guard stacked below either", compiler, async () => {
  using attacks = new Attacks("setuid-plant");
  const list = readFileSync(join(checkout, "test/security/default-syscalls.txt"), "utf8").trimEnd().split("\n");
  const mkdirs = ["mkdir", "mkdirat"];
  const deny = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: mkdirs, action: "SCMP_ACT_ERRNO", errnoRet: 18 }],
  };
  const allowed = list.filter((name) => !mkdirs.includes(name));
  const allow = {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 18,
    syscalls: [{ names: allowed, action: "SCMP_ACT_ALLOW" }],
  };
  for (const [name, profile] of Object.entries({ deny, allow })) {
    const file = profileFile(attacks, `${name}.json`, profile);
    const ran = await runScript("mkdir /tmp/a 2>&1; echo ran > /tmp/b && cat /tmp/b", ["--seccomp", file]);
    assert.match(ran.stdout, /Invalid cross-device link\nran\n$/, name);
    const guarded = ["--seccomp", file, "--dir", `${attacks.folder}::/out:rw`];
    const plant = await runSandbox([...guarded, "--", "/out/setuid-plant", "/out"]);
    assertResults(parseAttempts(plant.stdout), { chmod: "EPERM", openat2: "ENOSYS", mkdir: "EXDEV" });
  }
});

for (const seccomp of profiles) {
  test(`a file that the job shares with the host cannot be leased, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("locks");
    const attempts = await attacks.run(["locks", "/attacks/locks"], ["--seccomp", seccomp]);
    if (seccomp === "default") assertResults(attempts, { "read-lease": "EACCES", "write-lease": "EACCES" });
    const foreign = await attacks.run(["locks", "/usr/bin/env"], ["--seccomp", seccomp]);
    assertResults(foreign, { "read-lease": "EACCES", "write-lease": "EACCES", "posix-write-lock": "EBADF" });
  });
}
