// Wrong requests: one clear error each, before any side effect.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { Cause, FailureCode, Role, Rootfs, RootfsMode, type StartRequest } from "../../src/gen/podium.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import { LiveServer, until } from "./live-server.ts";

const test = suite("refused requests");
const root = requires("root", "libseccomp", "swift");

type Refusal = readonly [request: Partial<StartRequest>, code: status, details: RegExp];

/** Each request is refused, and afterwards there is no job and no id has been used. */
async function checkRefusals(server: LiveServer, refusals: readonly Refusal[]): Promise<void> {
  const api = server.api();
  for (const [request, code, details] of refusals) {
    const refusal = await failureOf(api.start({ argv: ["true"], ...request }));
    const shown = JSON.stringify(request, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
    assert.is(refusal.code, code, `${shown}: ${refusal.details}`);
    assert.match(refusal.details, details, shown);
    assert.not.match(refusal.details, /\n/, shown);
  }
  assert.equal(readdirSync(join(server.data, "jobs")), []);
  assert.is(await api.startId("true"), 1n);
}

const { INVALID_ARGUMENT, PERMISSION_DENIED } = status;

test("C08 invalid limits are refused before any side effect", requires("root", "libseccomp"), async () => {
  await using server = await LiveServer.start();
  const most = 2n ** 63n - 1n;
  const numbers = ["mem", "io", "pids"] as const;
  await checkRefusals(server, [
    [{ cpu: Number.NaN }, INVALID_ARGUMENT, /^cpu: NaN is not a number from 0 up/],
    [{ cpu: -1 }, INVALID_ARGUMENT, /^cpu: -1 is not/],
    [{ cpu: -0.5 }, INVALID_ARGUMENT, /^cpu: -0.5 is not/],
    [{ cpu: Number.POSITIVE_INFINITY }, INVALID_ARGUMENT, /^cpu: Infinity is not/],
    [{ cpu: Number.NEGATIVE_INFINITY }, INVALID_ARGUMENT, /^cpu: -Infinity is not/],
    [{ cpu: 1e-9 }, INVALID_ARGUMENT, /^cpu: 1e-9 is too low/],
    [{ cpu: 3e38 }, INVALID_ARGUMENT, /^cpu: 3e\+38 is too high/],
    ...numbers.flatMap((field): Refusal[] => [
      [{ [field]: -1n }, INVALID_ARGUMENT, new RegExp(`^${field}: -1 is not a number`)],
      [{ [field]: most }, INVALID_ARGUMENT, new RegExp(`^${field}: ${most} is not a number`)],
      [{ [field]: -most - 1n }, INVALID_ARGUMENT, new RegExp(`^${field}: -${most + 1n} is not a number`)],
    ]),
    [{ mem: 1n }, INVALID_ARGUMENT, /^mem: 1 is too low to start a command: ask for at least 1048576/],
    [{ pids: 2n ** 40n }, INVALID_ARGUMENT, /^pids: .* is too high/],
    [{ timeoutMs: -1n }, INVALID_ARGUMENT, /^timeout_ms: -1 is not a number/],
    [{ timeoutMs: 2n ** 52n }, INVALID_ARGUMENT, /^timeout_ms: is longer than ten years/],
  ]);
});

test("wrong requests each get one clear error and start nothing", root, async () => {
  await using server = await LiveServer.start();
  const name = /^name: .* is not a name; use letters, digits, dot, hyphen and underscore, at most 63$/;
  await checkRefusals(server, [
    [{ argv: [] }, INVALID_ARGUMENT, /^cmd: the command is empty; name a program to run$/],
    [{ argv: [], cmd: " \n " }, INVALID_ARGUMENT, /^cmd: the command is empty/],
    [{ argv: [], cmd: "a\0b" }, INVALID_ARGUMENT, /^cmd: contains a NUL byte/],
    [{ argv: [""] }, INVALID_ARGUMENT, /^argv: the command is empty/],
    [{ argv: ["true", "a\0b"] }, INVALID_ARGUMENT, /^argv\[1\]: contains a NUL byte/],
    [{ argv: ["true"], cmd: "true" }, INVALID_ARGUMENT, /^cmd: cmd and argv are both given; give one of them$/],
    [{ argv: ["true", "x".repeat(131_072)] }, INVALID_ARGUMENT, /^argv\[1\]: is longer than/],
    [{ env: ["NOVALUE"] }, INVALID_ARGUMENT, /^env: "NOVALUE" is not NAME=VALUE/],
    [{ env: ["=x"] }, INVALID_ARGUMENT, /^env: /],
    [{ name: "two\nlines" }, INVALID_ARGUMENT, name],
    [{ name: "a/b" }, INVALID_ARGUMENT, name],
    [{ name: ".." }, INVALID_ARGUMENT, name],
    [{ name: "x".repeat(64) }, INVALID_ARGUMENT, name],
    [{ name: "7" }, INVALID_ARGUMENT, /^name: a name of digits only would be taken for an id/],
    [{ cwd: "tmp" }, INVALID_ARGUMENT, /^cwd: "tmp" is not an absolute path/],
    [{ hostname: "a b" }, INVALID_ARGUMENT, /^hostname: "a b" is no host name/],
    [{ hostname: "a\n" }, INVALID_ARGUMENT, /^hostname: /],
    [{ user: { uid: 65_536, gid: 0, name: "" } }, INVALID_ARGUMENT, /^user\.uid: 65536 is not an id of the job/],
    [{ user: { uid: 0, gid: 0, name: "7:8:9" } }, INVALID_ARGUMENT, /^user\.name: "7:8:9" is not USER or USER:GROUP/],
    [{ user: { uid: 0, gid: 0, name: "alice" } }, INVALID_ARGUMENT, /^user\.name: there is no user "alice"/],
    [{ user: { uid: 0, gid: 4_294_967_295, name: "" } }, INVALID_ARGUMENT, /^user\.gid: /],
    [
      { rootfs: Rootfs.create({ path: "/", mode: 9 as unknown as RootfsMode }) },
      INVALID_ARGUMENT,
      /^rootfs\.mode: .* is not a mode/,
    ],
    [{ seccomp: "unconfined" }, PERMISSION_DENIED, /^seccomp: unconfined is for podium:admin certificates$/],
    [{ seccomp: "{" }, INVALID_ARGUMENT, /^seccomp: /],
    [{ seccomp: "nonsense" }, INVALID_ARGUMENT, /^seccomp: /],
    [{ seccomp: '{"defaultAction":"SCMP_ACT_NOSUCH"}' }, INVALID_ARGUMENT, /^seccomp: .*SCMP_ACT_NOSUCH/],
    [{ grants: [{ source: "etc", target: "/x", writable: false }] }, INVALID_ARGUMENT, /^grants\[0\]\.source: /],
  ]);
});

test("no folder of the host may be named unless the configuration says so", root, async () => {
  await using server = await LiveServer.start();
  const refused = (field: string) =>
    new RegExp(`^${field}: \\S+ may not be named by alice; the server's configuration`);
  const grant = (source: string, writable = false) => ({ source, target: "/x", writable });
  await checkRefusals(server, [
    [{ grants: [grant("/etc")] }, PERMISSION_DENIED, refused("grants\\[0\\].source")],
    [{ grants: [grant("/")] }, PERMISSION_DENIED, refused("grants\\[0\\].source")],
    [{ grants: [grant("/nonexistent")] }, PERMISSION_DENIED, refused("grants\\[0\\].source")],
    [{ grants: [grant("/tmp", true)] }, PERMISSION_DENIED, refused("grants\\[0\\].source")],
    [{ rootfs: Rootfs.create({ path: "/", mode: RootfsMode.RO }) }, PERMISSION_DENIED, refused("rootfs.path")],
    [{ rootfs: Rootfs.create({ path: "/", mode: RootfsMode.RW }) }, PERMISSION_DENIED, refused("rootfs.path")],
  ]);
});

test("T14 a viewer reads all and changes nothing", root, async () => {
  await using server = await LiveServer.start();
  const [alice, viewer] = [server.api("alice"), server.api("viewer")];
  const id = await alice.startId({ cmd: "echo hello; cat", name: "mine", stdin: true });
  for (const call of [() => viewer.start({ cmd: "true" }), () => viewer.stop({ id }), () => viewer.remove(id)]) {
    const refusal = await failureOf(call());
    assert.is(refusal.code, PERMISSION_DENIED);
    assert.is(refusal.details, "a podium:viewer certificate reads jobs and logs and changes nothing");
  }
  const attach = viewer.session.attach();
  attach.on("error", () => {});
  attach.write({ request: { $case: "open", value: { id } } });
  assert.is(
    (
      await failureOf(
        (async () => {
          for await (const _ of attach);
        })(),
      )
    ).code,
    PERMISSION_DENIED,
  );
  assert.is((await viewer.info(id)).user, "alice");
  assert.equal(
    (await viewer.list()).map((job) => job.id),
    [id],
  );
  await until("its output", () => server.jobFile(id, "stdout") === "hello\n");
  assert.equal(String((await viewer.output({ id, snapshot: true })).stdout), "hello\n");
  assert.equal(readdirSync(join(server.data, "jobs")), [String(id)]);
  assert.is((await viewer.serverInfo()).role, Role.VIEWER);
});

test("T14 no command of a viewer changes anything of a job", root, async () => {
  await using server = await TestServer.start();
  const id = (await server.podium("alice", ["start", "--", "sleep", "1000"])).stdout.trim();
  for (const args of [
    ["exec", id, "--", "true"],
    ["update", id, "--pids", "7"],
    ["cp", "/etc/hostname", `${id}:/tmp/new`],
    ["cp", `${id}:/etc/hostname`, "/dev/null"],
    ["netcheck", id, "127.0.0.1:1"],
    ["stop", id],
    ["run", "--upload", "/etc/ssl", "--", "true"],
  ]) {
    const { code, stderr } = await server.podium("viewer", args);
    assert.equal([code, /changes nothing/.test(stderr)], [125, true], `${args.join(" ")}: ${stderr}`);
  }
  assert.is((await server.podium("viewer", ["status", id])).code, 0);
});

test("T15 an admin sees and stops all jobs, and may run unconfined", root, async () => {
  await using server = await LiveServer.start();
  const [alice, bob, admin] = [server.api("alice"), server.api("bob"), server.api("admin")];
  const ids = [await alice.startId("sleep 1000"), await bob.startId("echo bob; sleep 1000")] as const;
  assert.equal(
    (await admin.list()).map((job) => [job.id, job.user]),
    [
      [ids[0], "alice"],
      [ids[1], "bob"],
    ],
  );
  assert.equal(
    (await alice.list()).map((job) => job.id),
    [ids[0]],
  );
  await until("its output", () => server.jobFile(ids[1], "stdout") === "bob\n");
  assert.is(String((await admin.output({ id: ids[1], snapshot: true })).stdout), "bob\n");
  assert.is((await admin.stop({ id: ids[0] })).response?.$case, "success");
  const { outcome } = await alice.info(ids[0]);
  assert.is(outcome?.cause, Cause.STOPPED);
  assert.is(outcome?.by, "admin");
  await admin.remove(ids[0]);
  assert.is((await alice.status(ids[0])).response?.$case, "failure");
  const free = await admin.startId({ argv: ["grep", "Seccomp:", "/proc/self/status"], seccomp: "unconfined" });
  assert.is(String((await admin.output({ id: free })).stdout), "Seccomp:\t0\n");
});

test("T16 a message over 4 MB gives a clear error, and the connection lives on", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const refusal = await failureOf(api.start({ argv: ["true", ...Array<string>(50).fill("x".repeat(100_000))] }));
  assert.is(refusal.code, status.RESOURCE_EXHAUSTED);
  assert.match(refusal.details, /larger than max \(\d+ vs.? 4194304\)/);
  const under = await failureOf(api.start({ argv: ["true"], env: Array<string>(30).fill(`A=${"x".repeat(100_000)}`) }));
  assert.is(under.code, INVALID_ARGUMENT);
  assert.match(under.details, /^argv: arguments and environment are \d+ bytes together, at most 1048576/);
  assert.equal(readdirSync(join(server.data, "jobs")), []);
  assert.is((await api.wait(await api.startId("exit 4"))).outcome?.exitCode, 4);
});

test("bounds of the configuration refuse what is above them and give defaults to the rest", root, async () => {
  const config = {
    defaults: { memory: "32M", pids: 20 },
    maximum: { cpus: 2, memory: "64M", pids: 50, timeout: "5m" },
  };
  await using server = await LiveServer.start({ config });
  await checkRefusals(server, [
    [
      { mem: 64n * 2n ** 20n + 1n },
      INVALID_ARGUMENT,
      /^mem: 67108865 is above this server's bound; ask for at most 67108864$/,
    ],
    [{ cpu: 2.5 }, INVALID_ARGUMENT, /^cpu: 2\.5 is above/],
    [{ cpu: Number.POSITIVE_INFINITY }, INVALID_ARGUMENT, /^cpu: /],
    [{ cpu: Number.NaN }, INVALID_ARGUMENT, /^cpu: /],
    [{ pids: 51n }, INVALID_ARGUMENT, /^pids: 51 is above/],
    [{ timeoutMs: 300_001n }, INVALID_ARGUMENT, /^timeout_ms: 300001 is above/],
  ]);
  const api = server.api();
  const { limits } = await api.wait(await api.startId("true"));
  const { cpus, memoryBytes, ioBytesPerSecond, pids, timeoutMs, outputBytes } = limits ?? {};
  assert.equal([cpus, memoryBytes, ioBytesPerSecond], [2, 2n ** 25n, 0n]);
  assert.equal([pids, timeoutMs, outputBytes], [20n, 300_000n, 2n ** 30n]);
  const { defaultLimits, maxLimits } = await api.serverInfo();
  assert.is(defaultLimits?.memoryBytes, 2n ** 25n);
  assert.is(maxLimits?.pids, 50n);
});

test("a name that is taken names the job that has it", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const id = await api.startId({ cmd: "sleep 1000", name: "web" });
  const { response } = await api.start({ cmd: "true", name: "web" });
  const msg = `name: "web" belongs to job ${id}; choose another, or remove that job when it has finished`;
  assert.equal(response, { $case: "failure", value: { id, msg, code: FailureCode.NAME_TAKEN } });
  assert.equal(
    (await api.list(true, "web")).map((job) => job.id),
    [id],
  );
  assert.equal(readdirSync(join(server.data, "jobs")), [String(id)]);
});
