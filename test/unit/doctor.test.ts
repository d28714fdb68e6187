// What doctor says of machines other than this one, shown to it as text.
import * as assert from "uvu/assert";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import type { Check } from "../../sandbox/requirements/check.ts";
import { limitChecks, splitMend } from "../../sandbox/requirements/limits.ts";
import { type Machine, systemChecks } from "../../src/doctor/system.ts";
import { suite } from "../support/suite.ts";

const test = suite("doctor");

const files: Readonly<Record<string, string>> = {
  "/proc/self/uid_map": "         0          0 4294967295",
  "/proc/self/status": "CapInh:\t0000000000000000\nCapEff:\t000001ffffffffff",
  "/proc/self/attr/current": "unconfined",
};

function machine(other: Partial<Machine> = {}, otherFiles: Readonly<Record<string, string>> = {}): Machine {
  const all = { ...files, ...otherFiles };
  return {
    uid: 0,
    kernel: "6.8.0-31-generic",
    arch: "x64",
    node: "20.19.0",
    now: new Date("2026-03-01"),
    clockIsKept: true,
    read: (path) => all[path] ?? null,
    ...other,
  };
}

/** The one line of that name. */
function line(name: string, on: Machine): Check {
  const found = systemChecks(on).filter((check) => check.name === name);
  assert.is(found.length, 1, `lines of ${name}`);
  return found[0] as Check;
}

function assertBroken(name: string, on: Machine, required: boolean, mend: RegExp): void {
  const check = line(name, on);
  assert.equal([check.ok, check.required], [false, required], check.detail);
  assert.match(check.mend, mend);
}

test("a machine that lacks nothing has no failed line", () => {
  assert.equal(
    systemChecks(machine()).filter(({ ok }) => !ok),
    [],
  );
});

test("H05 AppArmor's and Debian's ban on unprivileged namespaces does not hold for podium's root", () => {
  for (const setting of [
    { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1", "/sys/module/apparmor/parameters/enabled": "Y" },
    { "/proc/sys/kernel/unprivileged_userns_clone": "0" },
  ]) {
    const check = line("unprivileged namespaces", machine({}, setting));
    assert.equal([check.ok, check.mend], [true, ""]);
    assert.match(check.detail, /podium makes them as root/);
  }
});

test("H05 an enforcing module that confines podium is named with the way out, one that does not is fine", () => {
  const apparmor = { "/sys/module/apparmor/parameters/enabled": "Y" };
  const selinux = { "/sys/fs/selinux/enforce": "1" };
  const own = (context: string) => ({ "/proc/self/attr/current": context });
  assert.is(line("apparmor", machine({}, apparmor)).ok, true);
  assertBroken("apparmor", machine({}, { ...apparmor, ...own("docker-default (enforce)") }), false, /unconfined/);
  assert.match(
    line("apparmor", machine({}, { ...apparmor, ...own("docker-default (enforce)") })).detail,
    /docker-default/,
  );
  const unconfined = own("system_u:system_r:unconfined_service_t:s0");
  assert.is(line("selinux", machine({}, { ...selinux, ...unconfined })).ok, true);
  const confined = own("system_u:system_r:container_t:s0:c1,c2");
  assertBroken("selinux", machine({}, { ...selinux, ...confined }), false, /SELinuxContext=/);
  assert.is(line("selinux", machine({}, { "/sys/fs/selinux/enforce": "0", ...confined })).ok, true);
});

test("H06 who podium is, an old kernel, an old Node, a wrong clock and low settings name their mends", () => {
  assertBroken("root", machine({ uid: 1000 }), true, /as root/);
  assertBroken("root", machine({}, { "/proc/self/uid_map": "0 100000 65536" }), true, /user namespace/);
  assertBroken("root", machine({}, { "/proc/self/status": "CapEff:\t00000000a80425fb" }), true, /--privileged/);
  assertBroken("kernel", machine({ kernel: "5.4.0" }), true, /5\.14/);
  assertBroken("kernel", machine({ arch: "s390x" }), true, /x86-64/);
  assertBroken("node", machine({ node: "20.18.3" }), true, /20\.19/);
  assertBroken("clock", machine({ now: new Date(0) }), true, /set-ntp/);
  assertBroken("clock", machine({ clockIsKept: false }), false, /set-ntp/);
  const low = (setting: string, value: string) => machine({}, { [`/proc/sys/${setting}`]: value });
  assertBroken("sysctl", low("user/max_user_namespaces", "0"), true, /^sysctl -w user\.max_user_namespaces=11000$/);
  assertBroken("sysctl", low("user/max_pid_namespaces", "500"), false, /user\.max_pid_namespaces/);
  assertBroken("sysctl", low("fs/inotify/max_user_watches", "128"), false, /fs\.inotify\.max_user_watches/);
});

test("H06 a limit that the plan of the groups refuses is a failed line with the plan's own mend", () => {
  const unenforceable = {
    pids: "this host has no pids controller (cgroup v1 or v2): use a kernel with CONFIG_CGROUP_PIDS",
    ioBytesPerSecond: "/g has no io controller (cgroup v2): delegate it (systemd: Delegate=yes)",
  };
  const plan: CgroupPlan = { version: 2, root: "/nonexistent", controllers: ["cpu", "memory"], unenforceable };
  const checks = limitChecks(plan, "/nonexistent");
  const found = (name: string) => checks.find((check) => check.name === name);
  assert.equal([found("limit cpus")?.ok, found("limit memory")?.ok], [true, true]);
  // Every job has a limit of processes.
  assert.equal([found("limit pids")?.ok, found("limit pids")?.required], [false, true]);
  assert.is(found("limit pids")?.mend, "use a kernel with CONFIG_CGROUP_PIDS");
  assert.equal([found("limit io")?.ok, found("limit io")?.required], [false, false]);
});

test("a sentence of the plan is cut into what is wrong and what to do", () => {
  assert.equal(splitMend("a: b: do this"), { detail: "a: b", mend: "do this" });
  assert.equal(splitMend("a: do this (containers: that)"), { detail: "a", mend: "do this (containers: that)" });
  assert.equal(splitMend("no more to say"), { detail: "no more to say", mend: "" });
});
