// `--cap-add`: what is given works, what is not asked for does not, and no wall is lower for it.
import { chmodSync, chownSync, copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type Capability, workingCapabilities } from "../../sandbox/capabilities.ts";
import { runSandbox, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks, assertNoneWorked, parseAttempts } from "./attacks.ts";
import { HostFolder } from "./host-folder.ts";

const test = suite("capabilities");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");

const sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] as const;
const numbers: Readonly<Record<Capability, number>> = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  FSETID: 4,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  SYS_CHROOT: 18,
  SYS_PTRACE: 19,
  SYS_NICE: 23,
  SETFCAP: 31,
};
const maskOf = (names: readonly Capability[]) =>
  names
    .reduce((mask, name) => mask | (1n << BigInt(numbers[name])), 0n)
    .toString(16)
    .padStart(16, "0");

const ociDefault: readonly Capability[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "SYS_CHROOT",
  "SETFCAP",
];

test("K08 all five sets are exactly what was asked for, for root and for another user", root, async () => {
  await using zygote = await TestZygote.open();
  const asked: [readonly string[], readonly Capability[]][] = [
    [["CHOWN"], ["CHOWN"]],
    [
      ["cap_setuid", "Kill", "NET_BIND_SERVICE"],
      ["KILL", "SETUID"],
    ],
    [["oci-default"], ociDefault],
    [workingCapabilities, workingCapabilities],
  ];
  for (const [capabilities, expected] of asked) {
    for (const uid of [0, 1000]) {
      // The second program is exec'd by the first: what it has, it keeps.
      const script = "exec grep -E ^Cap /proc/self/status";
      const job = await zygote.run(script, { capabilities, user: { uid, gid: uid } });
      const mask = maskOf(expected);
      const none = "0".repeat(16);
      const found = Object.fromEntries(
        job.stdout
          .trim()
          .split("\n")
          .map((line) => line.split(":\t")),
      );
      const wanted = uid === 0 ? [none, mask, mask, mask, none] : [mask, mask, mask, mask, mask];
      assert.equal(
        sets.map((set) => found[set]),
        wanted,
        `${capabilities} for ${uid}: ${job.stderr}`,
      );
    }
  }
});

/** What has to be there beside a capability to show it at work. */
const scenery: Partial<Record<Capability, readonly Capability[]>> = {
  FOWNER: ["CHOWN"],
  FSETID: ["CHOWN"],
  KILL: ["SETUID"],
  SYS_PTRACE: ["SETUID"],
  SYS_NICE: ["SETUID"],
};

test("K10 each capability works with --cap-add and not without", compiler, async () => {
  using attacks = new Attacks("capability-uses");
  await using zygote = await TestZygote.open();
  const grants = [{ source: attacks.folder, target: "/attacks", writable: false }];
  const uses = async (capabilities: readonly Capability[]) => {
    const job = await zygote.run(["/attacks/capability-uses"], { capabilities, grants });
    const attempts = parseAttempts(job.stdout);
    assert.is(attempts.size, 14, job.stdout + job.stderr);
    return attempts;
  };
  for (const name of workingCapabilities) {
    const before = scenery[name] ?? [];
    assert.is.not((await uses(before)).get(name), "ok", `${name} works without`);
    const given = await uses([...before, name]);
    assert.is(given.get(name), "ok", name);
    if (name === "SETGID") assert.is(given.get("SETGID-groups"), "ok");
  }
});

test("what cannot work in a job is refused by name before anything starts", root, async () => {
  const refused: [string, RegExp][] = [
    ["NET_ADMIN", /cap_add: "NET_ADMIN" cannot be given to a job: networks of jobs belong to the host/],
    ["CAP_SYS_ADMIN", /cap_add: "CAP_SYS_ADMIN" cannot be given to a job: mounts and namespaces/],
    ["net_raw", /cap_add: "net_raw" cannot be given to a job: .*ping works without it/],
    ["MKNOD", /device nodes cannot be made in a user namespace/],
    ["SYS_TIME", /the kernel asks for it in the host's user namespace/],
    ["SYS_MODULE", /the kernel asks for it in the host's user namespace/],
    ["AUDIT_WRITE", /audit/],
    ["ALL", /cap_add: "ALL" is no capability/],
    ["", /cap_add: "" is no capability/],
    ["__proto__", /is no capability/],
  ];
  for (const [name, reason] of refused) {
    const ran = await runSandbox(["--cap-add", name, "--", "echo", "started"]);
    assert.equal([ran.code, ran.stdout], [125, ""], name);
    assert.match(ran.stderr, reason);
  }
});

test("F05 no capability lets a job leave a privileged program in a folder that it may write", compiler, async () => {
  using attacks = new Attacks("setuid-plant", "capability-uses");
  using folder = new HostFolder();
  copyFileSync(attacks.path("setuid-plant"), join(folder.path, "setuid-plant"));
  const writable = { grant: ["--dir", `${folder.path}::/out:rw`], root: ["--rootfs", `${folder.path}:rw`] };
  for (const options of Object.values(writable)) {
    for (const name of ["FSETID", "cap_setfcap"]) {
      const ran = await runSandbox(["--cap-add", name, ...options, "--", "true"]);
      assert.is(ran.code, 125);
      assert.match(ran.stderr, `"${name}" would let the job leave privileged programs in a folder of the host`);
    }
  }
  // The set without them is what is left, and with it nothing can be planted, no bit outlives a write.
  const all = workingCapabilities.filter((name) => !["FSETID", "SETFCAP"].includes(name));
  const given = ["--seccomp", "unconfined", ...all.flatMap((name) => ["--cap-add", name]), "--cap-add", "oci-default"];
  const there = join(folder.path, "there");
  writeFileSync(there, "x");
  chmodSync(there, 0o6755);
  const options = [...attacks.options, ...given, ...writable.grant];
  assertNoneWorked(await attacks.run(["setuid-plant", "/out"], [...given, ...writable.grant]), 18);
  const ran = await runSandbox([...options, "--", "sh", "-c", "grep CapEff /proc/self/status; echo y >> /out/there"]);
  assert.match(ran.stdout, maskOf(all));
  assert.is(statSync(there).mode & 0o7777, 0o755);
});

test("F05 no capability reaches files of other owners in a granted folder", root, async () => {
  using folder = new HostFolder();
  await using zygote = await TestZygote.open();
  chownSync(folder.path, 1234, 1234);
  const theirs = join(folder.path, "theirs");
  writeFileSync(theirs, "secret", { mode: 0o600 });
  chownSync(theirs, 4321, 1234);
  const ours = join(folder.path, "ours");
  writeFileSync(ours, "ours", { mode: 0 });
  chownSync(ours, 1234, 1234);
  const capabilities = workingCapabilities.filter((name) => !["FSETID", "SETFCAP"].includes(name));
  const tries = ["cat theirs", "echo x >> theirs", "chmod 666 theirs", "chown 0 theirs", "chown 5 ours", "cat ours"];
  const script = tries.map((line) => `(${line}) >/dev/null 2>&1 && echo "${line}"`).join("; ");
  for (const uid of [0, 1000]) {
    const grants = [{ source: folder.path, target: "/g", writable: true }];
    const job = await zygote.run(`cd /g; ${script}; true`, { capabilities, grants, user: { uid, gid: uid } });
    assert.is(job.stdout, "cat ours\n", `${uid}: ${job.stderr}`); // DAC_OVERRIDE works where the ids are the job's
  }
  const { uid, mode } = statSync(theirs);
  assert.equal([uid, mode & 0o7777, readFileSync(theirs, "utf8")], [4321, 0o600, "secret"]);
  assert.is(statSync(ours).uid, 1234);
});
