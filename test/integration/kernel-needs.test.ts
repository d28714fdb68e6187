// A kernel that lacks what jobs need: Start refuses before anything is made, with the words of `podium doctor`. The kernel is
// the real one behind a filter that takes system calls away, or shows folders on file systems that it cannot id-map.
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { JobFailure } from "../../src/client/call-failure.ts";
import { waitForJob } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { FailureCode, Grant, RootfsMode, StartRequest } from "../../src/gen/podium.ts";
import { Attacks } from "../security/attacks.ts";
import { HostFolder } from "../security/host-folder.ts";
import { podiumScript } from "../support/sandbox.ts";
import { compileObject } from "../support/seccomp.ts";
import { TestServer } from "../support/server.ts";
import { stretched } from "../support/slowness.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("what jobs need of the kernel", { testSeconds: 120 });
const needs = requires("root", "libseccomp", "gcc");
const folders = [{ path: "/", users: ["*"], write: true }];

interface Line {
  readonly name: string;
  readonly ok: boolean;
  readonly required: boolean;
  readonly detail: string;
  readonly mend: string;
}

/** Doctor's line of that name, behind the same prefix as the server. */
function doctorSays(prefix: readonly string[], name: string): Line {
  const [program = "", ...args] = [...prefix, podiumScript, "doctor", "-o", "json"];
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8", timeout: stretched(50_000) });
  assert.ok(stdout.startsWith("{"), `${stdout}${stderr}`);
  const line = (JSON.parse(stdout).checks as Line[]).find((check) => check.name === name);
  assert.ok(line, `doctor has no line ${name}`);
  return line;
}

/** The message of a Start that is refused with code UNENFORCEABLE and has made nothing. */
async function refused(server: TestServer, request: Partial<StartRequest>): Promise<string> {
  using podium = server.connect("alice");
  const error = await startJob(podium, StartRequest.create({ argv: ["true"], ...request })).then(
    () => null,
    (reason: JobFailure) => reason,
  );
  assert.is(error?.code, FailureCode.UNENFORCEABLE, error?.message ?? "it was started");
  const jobs = readdirSync(join(server.data, "jobs")).filter((name) => /^\d+$/.test(name));
  assert.equal(jobs, [], "nothing of a job is there");
  return error?.message ?? "";
}

async function runs(server: TestServer, request: Partial<StartRequest> = {}): Promise<void> {
  using podium = server.connect("alice");
  const id = await startJob(podium, StartRequest.create({ argv: ["true"], ...request }));
  const { outcome } = await waitForJob(podium, id);
  assert.equal([outcome?.cause, outcome?.exitCode], ["EXITED", 0], outcome?.message);
}

/** A command that runs another one without these system calls. */
function without(attacks: Attacks, rules: readonly object[]): readonly string[] {
  const file = join(attacks.folder, "kernel.bpf");
  writeFileSync(file, compileObject({ defaultAction: "SCMP_ACT_ALLOW", syscalls: rules }));
  return [attacks.path("under-filter"), file];
}

const grantOf = (source: string) => ({ grants: [Grant.create({ source, target: "/data" })] });

test("without user namespaces Start and doctor refuse with the same words", needs, async () => {
  using attacks = new Attacks("under-filter");
  const newUser = 0x10000000; // CLONE_NEWUSER
  const condition = { index: 0, value: newUser, valueTwo: newUser, op: "SCMP_CMP_MASKED_EQ" };
  const rule = { names: ["unshare", "clone"], action: "SCMP_ACT_ERRNO", errnoRet: 28, args: [condition] };
  const prefix = without(attacks, [rule]);
  const { ok, required, detail, mend } = doctorSays(prefix, "namespace user");
  assert.equal([ok, required], [false, true]);
  assert.match(detail, /ENOSPC/);
  await using server = await TestServer.start({ prefix });
  assert.is(await refused(server, {}), `namespace user: ${detail}; ${mend}`);
});

test("without mount_setattr, which shows the host read-only and ids mapped, so do they", needs, async () => {
  using attacks = new Attacks("under-filter");
  const prefix = without(attacks, [{ names: ["mount_setattr"], action: "SCMP_ACT_ERRNO", errnoRet: 38 }]);
  const { ok, required, detail, mend } = doctorSays(prefix, "mount attributes");
  assert.equal([ok, required], [false, true]);
  await using server = await TestServer.start({ prefix });
  assert.is(await refused(server, {}), `mount attributes: ${detail}; ${mend}`);
});

test("a folder whose file system cannot be id-mapped is refused, and taken once it is elsewhere", needs, async () => {
  using folder = new HostFolder();
  const covered = join(folder.path, "covered");
  const cover = `mount --make-rshared / && mkdir -p ${covered}; mount -t ramfs podium-test ${covered} && mount --bind / /mnt && mount -t overlay -o lowerdir=/mnt/usr:/mnt/etc podium-test /usr`;
  const prefix = ["unshare", "-m", "sh", "-c", `${cover} && exec "$@"`, "sh"];
  const { ok, detail } = doctorSays(prefix, "id-mapped mounts");
  assert.is(ok, false);
  const reasonFor = (path: string) =>
    `the file system of ${path} cannot be id-mapped by this kernel; put the folder on ext4, xfs, btrfs or tmpfs`;
  assert.ok(detail.includes(reasonFor("/usr")), detail);
  await using server = await TestServer.start({ prefix, config: { folders } });
  assert.is(await refused(server, grantOf("/usr")), `grants: ${reasonFor("/usr")}`);
  assert.is(await refused(server, grantOf(covered)), `grants: ${reasonFor(covered)}`);
  const rootfs = { path: covered, mode: RootfsMode.RO, sizeBytes: 0n, inodes: 0n };
  assert.is(await refused(server, { rootfs }), `rootfs: ${reasonFor(covered)}`);
  // A mount below the folder is shown too.
  assert.is(await refused(server, grantOf(folder.path)), `grants: ${reasonFor(folder.path)}`);
  assert.is(spawnSync("nsenter", ["-m", "-t", String(server.pid), "umount", covered]).status, 0);
  await runs(server, grantOf(folder.path));
});
