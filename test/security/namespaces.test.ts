import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { runScript, startSandbox, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks, assertNoneWorked, assertResults, profiles } from "./attacks.ts";

const test = suite("mounts and namespaces");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");
/** Without the networks of other servers of this host. */
const mountinfo = () => readFileSync("/proc/self/mountinfo", "utf8").replaceAll(/^.*\/run\/netns.*\n/gm, "");

for (const seccomp of profiles) {
  test(`N05 nothing can be mounted, moved or uncovered, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("mount-attacks");
    const before = mountinfo();
    const attempts = await attacks.run(["mount-attacks"], ["--seccomp", seccomp]);
    assertNoneWorked(attempts, 85);
    assert.is(mountinfo(), before);
  });

  test(`N08 no namespace can be made or entered, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("mount-attacks");
    const attempts = await attacks.run(["mount-attacks"], ["--seccomp", seccomp]);
    // Without seccomp the limit of the job's own user namespace answers: max_user_namespaces is 0 there.
    const nested = seccomp === "default" ? "EPERM" : "ENOSPC";
    assertResults(attempts, { "unshare-user": nested, "clone-user": nested, "unshare-user-mnt": nested });
    assertResults(attempts, { "clone3-user": seccomp === "default" ? "ENOSYS" : "ENOSPC", "unshare-mnt": "EPERM" });
    assertResults(attempts, { "next-mount-namespace": attempts.get("previous-mount-namespace") ?? "" });
  });

  test(`N08 the tools that enter namespaces fail, raising the limit too, seccomp ${seccomp}`, root, async () => {
    const tools = [
      "nsenter -t 1 -a true",
      "nsenter -t 1 -m true",
      "unshare -U true",
      "unshare -r true",
      "unshare -m true",
    ];
    const raise = "echo 100 > /proc/sys/user/max_user_namespaces";
    const script = [raise, ...tools].map((tool) => `(${tool}) 2>/dev/null && echo '${tool} worked'`).join("\n");
    const ran = await runScript(`${script}\necho done`, ["--seccomp", seccomp]);
    assert.is(ran.stdout, "done\n");
  });

  test(`N11 no time namespace, no setting of clocks, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("mount-attacks", "kernel-attacks");
    const options = ["--seccomp", seccomp];
    assertResults(await attacks.run(["mount-attacks"], options), {
      "unshare-time": "EPERM",
      "setns-own-time": "EPERM",
    });
    const attempts = await attacks.run(["kernel-attacks", "administration"], options);
    for (const call of ["settimeofday", "clock_settime", "adjtimex", "clock_adjtime"]) {
      assertResults(attempts, { [call]: "EPERM" });
    }
    const ran = await runScript("readlink /proc/self/ns/time", options);
    assert.is(ran.stdout.trim(), execFileSync("readlink", ["/proc/self/ns/time"], { encoding: "utf8" }).trim());
  });

  test(`N03 the job cannot name itself, and its name is not the host's, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("kernel-attacks");
    const before = hostname();
    const options = ["--seccomp", seccomp, "--hostname", "inside"];
    const attempts = await attacks.run(["kernel-attacks", "administration"], options);
    assertResults(attempts, { sethostname: "EPERM", setdomainname: "EPERM" });
    const ran = await runScript(
      "uname -n; cat /etc/hostname /proc/sys/kernel/hostname; echo x > /proc/sys/kernel/hostname",
      options,
    );
    assert.is(ran.stdout, "inside\ninside\ninside\n");
    assert.is(hostname(), before);
  });
}

test("N05 after 100 jobs the host's mounts are as before", root, async () => {
  await using zygote = await TestZygote.open();
  const before = mountinfo();
  for (let i = 0; i < 10; i++) {
    const jobs = Array.from({ length: 10 }, () => zygote.run("grep -c . /proc/self/mountinfo"));
    for (const job of await Promise.all(jobs)) assert.is(job.record.exitCode, 0, job.record.message);
    assert.is(mountinfo(), before);
  }
});

test("N05 mounts that the host makes later do not appear in a job, nor the job's on the host", root, async () => {
  const folder = mkdtempSync(join(tmpdir(), "podium-propagation-"));
  mkdirSync(join(folder, "sub"));
  try {
    const script =
      "read -r go; ls /grant/sub; grep -c ' /grant/sub ' /proc/self/mountinfo; grep -E 'shared:|master:' /proc/self/mountinfo";
    const job = startSandbox(["--dir", `${folder}::/grant`, "--", "sh", "-c", `echo ready; ${script}`]);
    await job.sees("ready");
    assert.not.match(mountinfo(), folder);
    execFileSync("mount", ["-t", "tmpfs", "podium-test", join(folder, "sub")]);
    try {
      writeFileSync(join(folder, "sub/late"), "");
      job.child.stdin?.end("go\n");
      assert.is((await job.ended).stdout.toString(), "ready\n0\n");
    } finally {
      execFileSync("umount", [join(folder, "sub")]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
