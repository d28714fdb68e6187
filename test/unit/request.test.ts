import * as assert from "uvu/assert";
import { type JobRequest, specOf } from "../../sandbox/request.ts";
import { RequestError } from "../../sandbox/request-error.ts";
import { suite } from "../support/suite.ts";

const test = suite("requests");
const surroundings = { defaultHostname: "sandbox", network: { kind: "none" }, seccomp: [] } as const;

const spec = (request: Partial<JobRequest>) => specOf({ argv: ["true"], ...request }, surroundings);

/** The refusal of a request, with its mend on a second line. */
function refusal(request: Partial<JobRequest>): string {
  try {
    spec(request);
  } catch (error) {
    assert.instance(error, RequestError);
    const { message, mend } = error as RequestError;
    return mend === "" ? message : `${message}\n${mend}`;
  }
  throw new Error(`accepted: ${JSON.stringify(request)}`);
}

test("what is not asked for is the contract's default", () => {
  assert.equal(spec({}), {
    argv: ["true"],
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" },
    cwd: "/",
    hostname: "sandbox",
    user: { uid: 0, gid: 0 },
    capabilities: [],
    rootfs: null,
    grants: [],
    tmpfs: [],
    network: { kind: "none" },
    limits: { cpus: 0, memoryBytes: 0, ioBytesPerSecond: 0, pids: 512 },
    timeoutMs: 0,
    output: { bytes: 0, kill: false },
    seccomp: [],
    callNames: [],
    stdin: "null",
    terminal: null,
  });
});

test("0 means not asked for", () => {
  assert.equal(spec({ pids: 0, cpus: 0, memoryBytes: 0, timeoutMs: 0 }).limits, spec({}).limits);
});

test("numbers that are none are refused by name", () => {
  assert.is(refusal({ cpus: Number.NaN }), "cpus: NaN is not a number from 0 up\n0 means not asked for");
  assert.is(refusal({ cpus: -0.5 }), "cpus: -0.5 is not a number from 0 up\n0 means not asked for");
  assert.is(refusal({ memoryBytes: 2 ** 63 }), "memory: 9223372036854776000 is not a whole number below 2^53");
  assert.is(refusal({ pids: 1.5 }), "pids: 1.5 is not a whole number below 2^53");
  assert.is(
    refusal({ ioBytesPerSecond: Number.POSITIVE_INFINITY }).split("\n")[0],
    "io: Infinity is not a number from 0 up",
  );
  assert.is(refusal({ timeoutMs: 4e14 }), "timeout: is longer than ten years\nleave it out to have none");
});

test("strings that no program can be given are refused by place", () => {
  assert.match(refusal({ argv: [] }), /^argv: the command is empty\n/);
  assert.match(refusal({ argv: ["echo", "a\0b"] }), /^argv\[1\]: contains a NUL byte/);
  assert.match(refusal({ argv: ["echo", "x".repeat(131_072)] }), /^argv\[1\]: is longer than the 131071 bytes/);
  assert.is(spec({ argv: ["echo", "x".repeat(131_071)] }).argv[1]?.length, 131_071);
  assert.match(refusal({ env: ["A=1", "B=\0"] }), /^env\[1\]: contains a NUL byte/);
  assert.match(refusal({ env: ["=1"] }), /^env: "=1" is not NAME=VALUE\nwrite it like HOME=\/work/);
  const much = Array.from({ length: 9 }, (_, i) => `${i}${"x".repeat(120_000)}`);
  assert.match(refusal({ argv: much }), /are 1080018 bytes together, at most 1048576\npass data/);
  assert.match(refusal({ argv: ["echo", "ü".repeat(70_000)] }), /^argv\[1\]: is longer/);
});

test("paths are absolute and lose their dots", () => {
  assert.is(spec({ cwd: "/a/./b/../c//d" }).cwd, "/a/c/d");
  assert.is(spec({ cwd: "/../../x" }).cwd, "/x");
  assert.match(refusal({ cwd: "a" }), /^cwd: "a" is not an absolute path\nbegin it with \//);
  assert.equal(spec({ tmpfs: [{ target: "/s/", sizeBytes: 0 }] }).tmpfs, [{ target: "/s", sizeBytes: 0 }]);
});

test("nothing is mounted over the root or podium's own mounts, by whatever spelling", () => {
  const grant = (target: string) => ({ grants: [{ source: "/tmp", target, writable: false }] });
  for (const target of ["/", "//", "/..", "/a/.."]) {
    assert.match(refusal(grant(target)), /^dir\[0\]: the root itself cannot be mounted over/, target);
  }
  for (const target of ["/proc", "/proc/", "/proc/self", "/dev", "/dev/shm", "//proc", "/a/../proc/x", "/./dev"]) {
    assert.match(refusal(grant(target)), /is podium's own there/, target);
  }
  assert.is(spec(grant("/process")).grants[0]?.target, "/process");
  assert.match(refusal({ tmpfs: [{ target: "/dev/shm", sizeBytes: 0 }] }), /^tmpfs\[0\]: /);
});

test("roots, grants, users and host names that cannot be", () => {
  assert.match(refusal({ rootfs: { path: "/nonexistent", mode: "ro" } }), /^rootfs: \/nonexistent does not exist/);
  assert.match(refusal({ rootfs: { path: "/etc/passwd", mode: "ro" } }), /^rootfs: \/etc\/passwd is not a folder/);
  assert.match(refusal({ rootfs: { path: "/tmp", mode: "wo" } }), /mode "wo" is unknown\nuse one of overlay, ro, rw/);
  assert.match(refusal({ grants: [{ source: "/nonexistent", target: "/x", writable: true }] }), /^dir\[0\]: /);
  for (const uid of [-1, 65_536, 1.5, Number.NaN]) assert.match(refusal({ user: { uid, gid: 0 } }), /^user\.uid: /);
  assert.match(refusal({ user: { uid: 0, gid: 65_536 } }), /^user\.gid: 65536 is not an id of the job/);
  for (const hostname of ["", "-a", "a-", "a b", "a\n", "ü", "a".repeat(64)]) {
    assert.match(refusal({ hostname }), /^hostname: .* is no host name/, hostname);
  }
});
