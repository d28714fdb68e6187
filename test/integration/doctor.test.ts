// `podium doctor` on this host: sound, with preconditions broken in a mount namespace of its own, and cleaning up.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { readPlanFile } from "../../sandbox/cgroup/plan-file.ts";
import { initAuthority } from "../../src/certs/authority.ts";
import { startJob } from "../../src/client/start.ts";
import { StartRequest } from "../../src/gen/podium.ts";
import { temporaryFolder } from "../support/openssl.ts";
import { living } from "../support/processes.ts";
import { podiumScript } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { stretched } from "../support/slowness.ts";
import { requires, suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("podium doctor");
const needs = requires("root", "libseccomp", "nft");
const onRealMachines = requires("root", "libseccomp", "nft", "swift");

interface Line {
  readonly name: string;
  readonly ok: boolean;
  readonly required: boolean;
  readonly detail: string;
  readonly mend: string;
}

interface Report {
  readonly code: number | null;
  readonly ok: boolean;
  readonly checks: readonly Line[];
}

/** Doctor with `-o json`, after a shell line in a mount namespace of its own. */
function examine(args: readonly string[], before = "true"): Report {
  const script = `${before} && exec "$@"`;
  const command = ["-m", "sh", "-c", script, "sh", podiumScript, "doctor", "-o", "json", ...args];
  const { stdout, stderr, status } = spawnSync("unshare", command, { encoding: "utf8", timeout: stretched(50_000) });
  assert.ok(stdout.startsWith("{"), `${stdout}${stderr}`);
  return { code: status, ...(JSON.parse(stdout) as { ok: boolean; checks: Line[] }) };
}

function line({ checks }: Report, name: string): Line {
  const found = checks.find((check) => check.name === name);
  assert.ok(found, `there is no line ${name} among ${checks.map((check) => check.name).join(", ")}`);
  return found;
}

/** The line has failed, so no job can start, and it names the mend. */
function assertFailed(report: Report, name: string, mend: RegExp): void {
  const check = line(report, name);
  assert.equal([check.ok, check.required], [false, true], `${name}: ${check.detail}`);
  assert.match(check.mend, mend, name);
  assert.equal([report.code, report.ok], [1, false]);
}

function certificates(folder: string): string[] {
  initAuthority({ folder, hosts: [], days: 100, replace: false });
  const file = (name: string) => join(folder, name);
  return ["--ca", file("ca.crt"), "--cert", file("server.crt"), "--key", file("server.key")];
}

test("H06 a host on which jobs start has no failed line, and the last one is a job that ran", needs, () => {
  using folder = temporaryFolder("doctor");
  const args = ["--data", join(folder.path, "data"), ...certificates(join(folder.path, "certs"))];
  const report = examine(args);
  assert.equal(
    report.checks.filter(({ ok, required }) => !ok && required),
    [],
  );
  assert.equal([report.code, report.ok, report.checks.at(-1)?.name], [0, true, "job"]);
  const onV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const buffered = line(report, "limit io, buffered");
  assert.equal(
    [buffered.ok, /buffered writes reach the disk from the kernel's own/.test(buffered.detail)],
    [onV2, !onV2],
  );
  for (const { name, ok, mend } of report.checks) assert.is(ok, mend === "", `${name} has a mend when it has failed`);
});

test("H06 for people it is a table with a last line that sums it up", onRealMachines, () => {
  using folder = temporaryFolder("doctor");
  const args = ["--data", join(folder.path, "data"), ...certificates(join(folder.path, "certs"))];
  const text = spawnSync(podiumScript, ["doctor", ...args], { encoding: "utf8" });
  assert.match(text.stdout, /\njobs can start on this host\n$/);
  assert.match(text.stdout, /^ok {4}kernel {2,}Linux /m);
});

test(
  "H06 without nft, with a key that all can read and a read-only DATA, each is named with its mend",
  onRealMachines,
  () => {
    using folder = temporaryFolder("doctor");
    const certs = join(folder.path, "certs");
    const args = ["--data", folder.path, ...certificates(certs)];
    chmodSync(join(certs, "server.key"), 0o644);
    chmodSync(join(certs, "ca.key"), 0o640);
    const nft = realpathSync("/usr/sbin/nft");
    const report = examine(args, `mount --bind /dev/null ${nft} && mount --bind -r ${folder.path} ${folder.path}`);
    assertFailed(report, "net nft", /apt-get install nftables/);
    assertFailed(report, "certificates", /^chmod 600 .*server\.key$/);
    assertFailed(report, "data", /--data/);
    assert.match(line(report, "data").detail, /EROFS/);
    assert.match(line(report, "authority key").mend, /^chmod 600 .*ca\.key$/);
    // Not more than what is broken.
    assert.is(line(report, "job").ok, true);
  },
);

test("H06 without libseccomp, on read-only groups and a full disk, each is named with its mend", needs, () => {
  using folder = temporaryFolder("doctor");
  const library = /=> (\S*libseccomp\.so\.2)$/m.exec(execFileSync("/sbin/ldconfig", ["-p"], { encoding: "utf8" }))?.[1];
  const onV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const groups = onV2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
  const report = examine(
    ["--data", folder.path],
    `mount --bind /dev/null ${realpathSync(library ?? "")} && mount -o remount,bind,ro ${groups} && ` +
      `mount -t tmpfs -o size=64k,mode=700 full ${folder.path} && { head -c 1M /dev/zero > ${folder.path}/x || true; }`,
  );
  assertFailed(report, "seccomp", /apt-get install libseccomp2/);
  assertFailed(report, onV2 ? "cgroup" : "limit pids", /mount it writable/);
  assertFailed(report, "disk", /free some/);
  assertFailed(report, "job", /mend what failed above/);
});

test("H06 root of a user namespace is told that it is not the host's", onRealMachines, () => {
  const command = ["-U", "-r", podiumScript, "doctor", "-o", "json"];
  const { stdout, status } = spawnSync("unshare", command, { encoding: "utf8", timeout: stretched(50_000) });
  const report = { code: status, ...JSON.parse(stdout) } as Report;
  assertFailed(report, "root", /user namespace/);
  assertFailed(report, "namespace user", /host's ids/);
});

/** Dead, if nobody has reaped it yet. */
async function untilGone(pid: number): Promise<void> {
  await until(`process ${pid} has ended`, () => !living(pid));
}

function ip(...words: readonly string[]): void {
  execFileSync("ip", words);
}

/** Things as the networks of a DATA have them on the host. */
function makeNetworkThings(tag: string): void {
  ip("link", "add", `pod-${tag}`, "type", "bridge");
  ip("netns", "add", `podium-${tag}-5`);
  ip("link", "add", `pv${tag}5`, "type", "veth", "peer", "name", "eth0", "netns", `podium-${tag}-5`);
  execFileSync("nft", ["add", "table", "inet", `podium_${tag}`]);
}

function networkThings(tag: string): string[] {
  const links = execFileSync("ip", ["-o", "link"], { encoding: "utf8" });
  const tables = execFileSync("nft", ["list", "tables"], { encoding: "utf8" });
  const names = [`pod-${tag}`, `pv${tag}5`].filter((name) => new RegExp(`: ${name}[@:]`).test(links));
  const spaces = existsSync(`/run/netns/podium-${tag}-5`) ? ["namespace"] : [];
  return [...names, ...spaces, ...(tables.includes(`podium_${tag}`) ? ["table"] : [])];
}

function removeNetworkThings(tag: string): void {
  spawnSync("ip", ["netns", "del", `podium-${tag}-5`]);
  spawnSync("ip", ["link", "del", `pv${tag}5`]);
  spawnSync("ip", ["link", "del", `pod-${tag}`]);
  spawnSync("nft", ["delete", "table", "inet", `podium_${tag}`]);
}

test(
  "the clean-up takes what a dead server left, of its DATA alone, and nothing of a job that runs",
  onRealMachines,
  async () => {
    await using server = await TestServer.start();
    const cleanUp = () =>
      spawnSync(podiumScript, ["doctor", "--cleanup", "--data", server.data], {
        encoding: "utf8",
        timeout: stretched(30_000),
      });
    const refused = cleanUp();
    assert.match(refused.stderr, /a podium server uses it/);
    assert.is(refused.status, 125);

    using podium = server.connect("alice");
    const id = await startJob(podium, StartRequest.create({ argv: ["sleep", "100"] }));
    const zygote = Number(readFileSync(join(server.data, "zygote.pid"), "utf8"));
    await server.kill();
    await untilGone(zygote);
    const plan = readPlanFile(join(server.data, "cgroup.json"));
    assert.ok(plan);
    const roots = plan.version === 2 ? [plan.root] : [...new Set(Object.values(plan.roots))];
    for (const root of roots) mkdirSync(`${root}/jobs/left`);
    const tag = readFileSync(join(server.data, "id"), "utf8").trim();
    const other = "0ddba11e";
    try {
      makeNetworkThings(tag);
      makeNetworkThings(other);
      const first = cleanUp();
      assert.is(first.status, 0, first.stderr);
      assert.match(first.stdout, /^removed group .*\/jobs\/left$/m);
      assert.match(first.stdout, /^kept group .*: a job of it still runs$/m);
      for (const root of roots) assert.is(existsSync(`${root}/jobs/left`), false);
      assert.is(networkThings(tag).length, 4, "the networks of a running job are left alone");

      await server.start();
      await server.stopJobs();
      await server.kill();
      await untilGone(Number(readFileSync(join(server.data, "zygote.pid"), "utf8")));
      removeNetworkThings(tag); // a server with networks has taken them away, or left its own
      makeNetworkThings(tag);
      const second = cleanUp();
      assert.is(second.status, 0, second.stderr);
      for (const thing of [`link pod-${tag}`, `network namespace podium-${tag}-5`, `nftables table inet podium_${tag}`])
        assert.ok(second.stdout.includes(`removed ${thing}\n`), second.stdout);
      assert.equal([networkThings(tag), networkThings(other).length], [[], 4]);
      for (const root of roots) assert.is(existsSync(root), false, `${root} is left`);
      assert.is(cleanUp().stdout, "nothing was left\n");
    } finally {
      removeNetworkThings(tag);
      removeNetworkThings(other);
    }
    assert.ok(id > 0n);
  },
);
