import { existsSync } from "node:fs";
import * as assert from "uvu/assert";
import { runScript } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks, assertResults, profiles } from "./attacks.ts";

const test = suite("/proc, /dev and /sys");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");

const masked = [
  "acpi",
  "asound",
  "interrupts",
  "kcore",
  "keys",
  "latency_stats",
  "sched_debug",
  "scsi",
  "timer_list",
  "timer_stats",
];
const readOnly = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

test("F06 what OCI runtimes mask of /proc is empty, and there is no /sys", root, async () => {
  const here = masked.filter((name) => existsSync(`/proc/${name}`));
  assert.ok(here.length > 2, "the host has some of them");
  for (const user of ["0", "1000"]) {
    const script = `cd /proc; for f in ${masked.join(" ")}; do [ -e $f ] && echo $f; cat $f 2>/dev/null; ls -A $f 2>/dev/null | grep -vx $f; done; ls -d /sys /proc/1/*; true`;
    const ran = await runScript(script, ["--user", user]);
    // kcore is a root-only file that this kernel may lack inside; what is there says nothing.
    assert.equal(ran.stdout.trim().split("\n"), here);
  }
});

test("F06 what OCI runtimes make read-only of /proc is read-only", root, async () => {
  const here = readOnly.filter((name) => existsSync(`/proc/${name}`));
  const ran = await runScript("grep -E ' /proc/?[^ ]* ro,' /proc/self/mountinfo | cut -d' ' -f5");
  const paths = ran.stdout.trim().split("\n");
  for (const name of here) assert.ok(paths.includes(`/proc/${name}`), name);
  const write = await runScript(
    "for f in /proc/sys/kernel/* /proc/sys/vm/* /proc/sys/net/*/* /proc/sysrq-trigger /proc/irq/*/* /proc/bus/*/*; do [ -f $f ] && (echo 1 > $f) 2>/dev/null && echo $f; done; echo done",
  );
  assert.is(write.stdout, "done\n");
});

for (const seccomp of profiles) {
  test(`K17 no helper path of the kernel can be written, seccomp ${seccomp}`, root, async () => {
    const paths =
      "/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /proc/sys/kernel/poweroff_cmd " +
      "/proc/sys/fs/binfmt_misc/register /proc/sys/kernel/core_pipe_limit /proc/sys/vm/panic_on_oom /proc/sysrq-trigger " +
      "/proc/sys/kernel/panic /sys/kernel/uevent_helper /sys/fs/cgroup/release_agent /proc/sys/kernel/ns_last_pid " +
      "/proc/sys/net/ipv4/ip_forward /proc/sys/kernel/unprivileged_bpf_disabled /proc/sys/user/max_user_namespaces";
    const script = `for f in ${paths}; do (true >> $f) 2>/dev/null && echo $f; (echo x > $f) 2>/dev/null && echo $f; done; chmod 777 /proc/sys/kernel/core_pattern 2>/dev/null && echo chmod; echo done`;
    for (const user of ["0", "1000"])
      assert.is((await runScript(script, ["--seccomp", seccomp, "--user", user])).stdout, "done\n");
  });

  test(
    `K19 block devices, cgroup mounts and release_agent are out of reach, seccomp ${seccomp}`,
    compiler,
    async () => {
      using attacks = new Attacks("mount-attacks");
      const options = ["--seccomp", seccomp];
      const refused = [
        "mount-disk",
        "mount-cgroup",
        "mount-cgroup2",
        "mount-sysfs",
        "mount-debugfs",
        "mknod-disk",
        "mknod-mem",
      ];
      assertResults(
        await attacks.run(["mount-attacks"], options),
        Object.fromEntries(refused.map((name) => [name, "EPERM"])),
      );
      const find =
        "find / -xdev \\( -type b -o -name release_agent -o -name cgroup.procs -o -name tasks \\) 2>/dev/null; find /dev -type b; grep -E 'cgroup|lxcfs|fuse' /proc/self/mounts; cut -d: -f3 /proc/self/cgroup | sort -u";
      assert.is((await runScript(find, options)).stdout, "/\n");
    },
  );
}

test("F08 /dev holds exactly the documented nodes, and they cannot be changed", root, async () => {
  const list = await runScript("cd /dev; for f in *; do stat -c '%n %F %t:%T %a' $f; done");
  const expected = [
    "fd symbolic link 0:0 777",
    "full character special file 1:7 666",
    "mqueue directory 0:0 1777",
    "null character special file 1:3 666",
    "ptmx symbolic link 0:0 777",
    "pts directory 0:0 755",
    "random character special file 1:8 666",
    "shm directory 0:0 1777",
    "stderr symbolic link 0:0 777",
    "stdin symbolic link 0:0 777",
    "stdout symbolic link 0:0 777",
    "tty character special file 5:0 666",
    "urandom character special file 1:9 666",
    "zero character special file 1:5 666",
  ];
  assert.equal(list.stdout.trim().split("\n"), expected);
  const attack =
    "rm -f /dev/null; mv /dev/zero /dev/one; ln -s x /dev/y; echo x > /dev/z; chmod 000 /dev/null; chown 1 /dev/null; mknod /dev/q c 1 3; ls -A /dev | wc -l; stat -c %a /dev/null";
  assert.is((await runScript(attack)).stdout, "14\n666\n");
});

test("F08 the devices work, and so do the streams by name", root, async () => {
  const script =
    "echo x > /dev/null; head -c 2 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; echo x > /dev/full || echo full; echo by-name > /dev/stdout; echo err > /dev/stderr; (: < /dev/tty) || echo no tty; ls /dev/pts";
  const ran = await runScript(script);
  assert.is(ran.stdout, "2\n3\nfull\nby-name\nno tty\nptmx\n");
  assert.match(ran.stderr, /^err$/m);
});
