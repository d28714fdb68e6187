// Commands that mean harm: each is run by root inside, and neither host, podium nor neighbour may notice.
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import * as assert from "uvu/assert";
import { Canary } from "../support/processes.ts";
import { runScript, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("podium sandbox: hostile commands");
const needs = requires("root", "libseccomp");

test("kill -9 -1 and kill -9 1 reach the job's own processes and nobody else", needs, async () => {
  using canary = new Canary();
  await using zygote = await TestZygote.open();
  const neighbour = await zygote.start({ argv: ["sh", "-c", "sleep 1; echo fine"] });
  const script = `
    sleep 100 & child=$!
    kill -9 -1
    wait $child; echo "child ended $?"
    kill -9 1 || echo refused
    kill -STOP 1 || echo refused
    kill -TERM 1 || echo refused
    kill -9 ${canary.pid} || echo "no canary"
    kill -9 ${zygote.client.pid} || echo "no zygote"
    kill -9 ${process.pid} || echo "no test"
    exit 4`;
  const { record, stdout } = await zygote.run(script);
  assert.is(stdout, "child ended 137\nrefused\nrefused\nrefused\nno canary\nno zygote\nno test\n");
  assert.equal([record.cause, record.exitCode], ["EXITED", 4]);
  const group = await zygote.run("(sleep 100 &) ; kill -9 0; echo survived");
  assert.equal([group.record.cause, group.record.signal, group.stdout], ["SIGNALED", "SIGKILL", ""]);
  assert.is((await neighbour.finished).stdout, "fine\n");
  assert.ok(canary.lives);
});

test("mount, umount, chmod of devices and writes to /proc/sys are refused and change nothing", needs, async () => {
  const settings = ["kernel/core_pattern", "vm/overcommit_memory", "kernel/hostname", "net/ipv4/ip_forward"] as const;
  const before = settings.map((name) => readFileSync(`/proc/sys/${name}`, "utf8"));
  const nullMode = statSync("/dev/null").mode;
  const attacks = [
    "mount -t tmpfs none /tmp",
    "mount -t proc proc /mnt",
    "mount --bind /etc /mnt",
    "mount -o remount,rw /",
    "mount -o remount,rw /usr",
    "umount /proc",
    "umount -l /",
    "chmod 777 /dev/null",
    "chown 1 /dev/null",
    "rm /dev/null",
    "mknod /tmp/disk b 254 0",
    "mknod /tmp/memory c 1 1",
    "hostname stolen",
    "chroot /tmp true",
    "unshare -m true",
    "unshare -U true",
    "nsenter -t 1 -a true",
    "touch /usr/planted",
    "touch /planted",
    "date -s 2001-01-01",
    "swapoff -a && false",
    "ip link add veth9 type veth",
    "renice -n -5 $$",
    ...settings.map((name) => `sh -c 'echo 1 > /proc/sys/${name}'`),
    "sh -c 'echo c > /proc/sysrq-trigger'",
    "sh -c 'echo 1 > /sys/fs/cgroup/cgroup.procs'",
  ];
  const lines = attacks.map((attack, i) => `if ${attack} >/dev/null; then echo "attack ${i} worked"; fi`);
  const { code, stdout, stderr } = await runScript(`${lines.join("\n")}\necho x > /dev/null && echo over`);
  assert.is(stdout, "over\n", stderr);
  assert.is(code, 0);
  assert.equal(
    settings.map((name) => readFileSync(`/proc/sys/${name}`, "utf8")),
    before,
  );
  assert.is(statSync("/dev/null").mode, nullMode);
  assert.is(readFileSync("/proc/sys/kernel/hostname", "utf8").trim(), hostname());
});

test("what a job writes beside its streams is gone with it", needs, async () => {
  await using zygote = await TestZygote.open();
  const places = ["/tmp", "/var/tmp", "/dev/shm", "/root"];
  const { stdout } = await zygote.run(places.map((place) => `touch ${place}/left && echo ok`).join(";"));
  assert.is(stdout, "ok\n".repeat(places.length));
  for (const place of places) assert.is((await zygote.run(`ls -A ${place}`)).stdout, "", place);
});

test("a command that floods both streams does not delay its deadline", needs, async () => {
  await using zygote = await TestZygote.open();
  const flood = "(while :; do head -c 1M /dev/zero >&2; done) & while :; do head -c 1M /dev/zero; done; sleep 30";
  const { record } = await zygote.run(flood, { timeoutMs: 400 });
  assert.is(record.cause, "TIMEOUT");
  const tookMs = record.finishedAtMs - record.startedAtMs;
  assert.ok(tookMs < 15_000, `${tookMs} ms`);
});

test("a job that eats descriptors, memory maps or its own output file ends like any other", needs, async () => {
  await using zygote = await TestZygote.open();
  const descriptors = await zygote.run(["python3", "-c", "import os\nwhile True: os.dup(1)"]);
  assert.is(descriptors.record.exitCode, 1);
  assert.match(descriptors.stderr, /Too many open files/);
  const truncating = await zygote.run("echo first; : > /dev/stdout; truncate -s 0 /dev/stdout; echo second");
  assert.is(truncating.stdout, "first\nsecond\n");
  const deep = await zygote.run(
    "cd /tmp; for i in $(seq 300); do mkdir d && cd d || exit 1; done; sleep 0 & echo deep",
  );
  assert.equal([deep.record.exitCode, deep.stdout], [0, "deep\n"]);
});
