// What the tools look at that judge or attack containers from inside: amicontained, am-i-isolated, deepce, CDK. They are not
// run here; what they look at is, with what they would have to find. As root, as another user, and with capabilities.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { type TestRequest, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks } from "./attacks.ts";

const test = suite("what inspection tools look at");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");

const kinds: readonly TestRequest[] = [{}, { user: { uid: 1000, gid: 1000 } }, { capabilities: ["oci-default"] }];

/** Runs a script in each kind of job; `check` gets its output. */
async function inJobs(script: string, check: (stdout: string, request: TestRequest) => void): Promise<void> {
  await using zygote = await TestZygote.open();
  for (const request of kinds) check((await zygote.run(script, request)).stdout, request);
}

/** Nothing of this exists or says anything. */
async function findsNothing(script: string): Promise<void> {
  await inJobs(`{ ${script}\n} 2>/dev/null; echo end`, (stdout, request) => {
    assert.is(stdout, "end\n", JSON.stringify(request));
  });
}

/** Of the namespaces that the kernel starts with (include/linux/proc_ns.h). */
const initial = { cgroup: 4026531835, pid: 4026531836, user: 4026531837, uts: 4026531838, ipc: 4026531839 };

test("K09 amicontained: no runtime, no initial namespace, no capability, a filter", root, async () => {
  await findsNothing(
    "ls -d /.dockerenv /.containerenv /run/.containerenv /run/systemd/container /proc/vz /proc/bc /dev/lxd /.nspawn; env | grep -i '^container'; cat /proc/1/environ /proc/1/sched; cut -d: -f3 /proc/self/cgroup | grep -vx /",
  );
  const script = `for k in ${Object.keys(initial).join(" ")}; do readlink /proc/self/ns/$k; done; grep -E '^(CapBnd|CapEff|Seccomp|NoNewPrivs):' /proc/self/status; cat /proc/self/attr/current 2>/dev/null | grep -c unconfined.*host`;
  await inJobs(script, (stdout, { capabilities }) => {
    for (const inode of Object.values(initial)) assert.not.match(stdout, String(inode));
    const mask = capabilities === undefined ? "0000000000000000" : "00000000800401fb";
    assert.match(stdout, `CapEff:\t${mask}\nCapBnd:\t${mask}\nNoNewPrivs:\t1\nSeccomp:\t2\n`);
  });
});

test(
  "K09 am-i-isolated: nothing of the host's kernel can be turned, no device read, no process of the host seen",
  root,
  async () => {
    await findsNothing(
      "for f in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/sysrq /sys /proc/kcore /dev/mem /dev/kmsg /proc/kmsg; do [ -w $f ] && (: >> $f) && echo $f; done; ls /sys; find /dev -type b; head -c 1 /dev/mem /dev/kmsg /proc/kcore",
    );
    await inJobs("cd /proc; echo [0-9]*; cat /proc/self/uid_map", (stdout) => {
      const [pids, map] = stdout.trim().split("\n");
      assert.is(pids, "1 2");
      assert.match(map ?? "", /^ *0 +1\d{9} +65536$/);
    });
  },
);

test(
  "K18 deepce: no socket, secret, disk, tool or neighbour of the host, nothing of its system can be written",
  root,
  async () => {
    const secrets =
      "/var/run/secrets /run/secrets /root/.ssh /root/.docker /root/.kube /root/.aws /root/.bash_history /home/*/.ssh /etc/shadow /etc/sudoers /etc/ssh /etc/kubernetes /etc/crontab /var/spool/cron /var/lib/docker /var/lib/podium /etc/podium /boot /host /mnt/* /rootfs";
    await findsNothing(
      `ls -d ${secrets}; find / -xdev -name '*.sock'; find /run /var/run -type s; find / -xdev \\( -perm -4000 -o -perm -2000 \\) -newer /proc -type f -writable; for f in /etc/passwd /etc/group /etc/ld.so.cache /usr /usr/bin /usr/bin/env /lib /etc; do [ -w $f ] && touch $f && echo $f; done; sudo -n true && echo sudo; fdisk -l; dmesg; mount | grep -E ' on (/host|/mnt|/rootfs)'`,
    );
    const inside = (await one("env; cat /etc/hosts; hostname")).stdout;
    for (const [name, value] of Object.entries(process.env)) {
      if (["PATH", "HOME", "LANG", "PWD", "_", "SHLVL", "OLDPWD", "TERM"].includes(name) || (value ?? "").length < 6)
        continue;
      assert.not.ok(inside.includes(`${name}=${value}`), `${name} of podium's own environment`);
    }
    const host = readFileSync("/proc/sys/kernel/hostname", "utf8").trim();
    const words = inside.split(/[\s=]+/);
    assert.ok(!words.includes(host) || ["localhost", "sandbox"].includes(host), "the host's name");
  },
);

/** Which folder of its file system is mounted there; proc_pid_mountinfo(5). */
function originOf(mounts: readonly string[], place: string): string {
  return mounts.map((line) => line.split(" ")).findLast(([, , , , point]) => point === place)?.[3] ?? "";
}

async function one(script: string) {
  await using zygote = await TestZygote.open();
  return await zygote.run(script);
}

test(
  "K19 CDK: no mount of the host's disks, lxcfs or cgroups, no release_agent, no service of a cloud or cluster",
  root,
  async () => {
    await findsNothing(
      "grep -E 'lxcfs|docker|kubelet|containerd|cgroup|/var/lib|ext4 /[^/ ]+/etc' /proc/self/mountinfo | grep -v ' /usr '; find / -xdev -name release_agent; env | grep -E 'KUBERNETES|AWS_|ALIBABA|GOOGLE_'; cat /proc/net/unix | grep -v ^Num; ls /var/run/secrets/kubernetes.io",
    );
    await inJobs(
      "cat /proc/sys/net/ipv4/conf/all/route_localnet; id -u; ps -eo comm | grep -cE 'sshd|dockerd|podium|node'",
      (stdout) => {
        assert.match(stdout, /^0\n\d+\n0\n$/);
      },
    );
    // What the root is made of shows no path of the host beyond what is shared.
    const mounts = (await one("cat /proc/self/mountinfo")).stdout.trim().split("\n");
    const shared = /^\/(usr|bin|sbin|lib|lib32|lib64|libx32|etc)?(\/|$)/;
    // The root of the tests may itself be a folder of a file system.
    const above = originOf(readFileSync("/proc/self/mountinfo", "utf8").split("\n"), "/").replace(/\/$/, "");
    for (const line of mounts) {
      const [, , , origin = "", place = ""] = line.split(" ");
      if (/^\/(proc|dev)(\/|$)/.test(place)) continue; // those are made here
      assert.match(origin.startsWith(`${above}/`) ? origin.slice(above.length) : origin, shared, line);
    }
    assert.is(mounts.filter((line) => /podium/.test(line)).length, 0, "no folder of podium's own is named");
  },
);

test("K02 the list of blocked calls that amicontained shows is far longer than Docker's", compiler, async () => {
  using attacks = new Attacks("syscall-sweep");
  const answers = await attacks.run(["syscall-sweep"]);
  const blocked = [...answers].filter(([number, answer]) => Number(number) < 470 && answer !== "allowed");
  assert.ok(blocked.length > 100, `${blocked.length} calls are blocked`);
});

test("what they ask of the host is there to be found, or the tests above prove nothing", root, async () => {
  assert.ok(existsSync("/etc/shadow") && existsSync("/sys"));
  assert.ok(readFileSync("/proc/self/mountinfo", "utf8").includes("cgroup"));
  assert.ok(readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length > 5);
});
