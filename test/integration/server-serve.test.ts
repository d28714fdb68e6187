// `podium serve` itself: what it refuses to start with, what it says, and whom it serves.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { HealthCheckResponse_ServingStatus } from "../../src/gen/health.ts";
import { Role } from "../../src/gen/podium.ts";
import { podiumScript, startProgram } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import { isAlive, LiveServer, until } from "./live-server.ts";

const test = suite("podium serve");
const root = requires("root", "libseccomp");

/** Flags of a second server beside the given one. */
function flagsBeside(server: LiveServer, changed: Readonly<Record<string, string>> = {}): string[] {
  const flags = {
    listen: "127.0.0.1:0",
    data: `${server.data}-second`,
    ca: join(server.certs, "ca.crt"),
    cert: join(server.certs, "server.crt"),
    key: join(server.certs, "server.key"),
    ...changed,
  };
  return ["serve", ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])];
}

/** It ends with 125 and says it in one line and a mend; nothing on stdout. */
async function checkRefused(args: readonly string[], message: RegExp): Promise<void> {
  const { code, stdout, stderr } = await startProgram(podiumScript, args, { input: "" }).ended;
  const lines = stderr.split("\n").filter((line) => !line.startsWith('{"level":"warn"'));
  assert.match(lines[0] ?? "", message, stderr);
  assert.match(lines[0] ?? "", /^podium: /);
  assert.ok(lines.length <= 3 && lines.at(-1) === "", `one line and a mend: ${stderr}`);
  assert.is(code, 125);
  assert.is(String(stdout), "");
}

test("serve refuses what it cannot serve with: one clear line, code 125, nothing left", root, async () => {
  await using server = await LiveServer.start();
  server.connectionOf("alice");
  const file = (name: string, text: string): string => {
    const path = join(server.certs, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const taken = String(server.port);
  const cases: readonly [Readonly<Record<string, string>>, RegExp][] = [
    [{ key: join(server.certs, "alice.key") }, /alice\.key.*(match|belong)|(match|belong).*alice\.key/],
    [{ cert: join(server.certs, "alice.crt") }, /alice\.crt/],
    [{ ca: join(server.certs, "absent.crt") }, /absent\.crt: cannot read: no such file or folder/],
    [{ key: join(server.certs, "absent.key") }, /absent\.key: cannot read: no such file or folder/],
    [{ cert: file("text.crt", "hello\n") }, /text\.crt/],
    [{ listen: "nonsense" }, /--listen nonsense: is not HOST:PORT/],
    [{ listen: "127.0.0.1:99999" }, /127\.0\.0\.1:99999/],
    [
      { listen: `127.0.0.1:${taken}` },
      new RegExp(`127\\.0\\.0\\.1:${taken}: cannot listen there: .*(EADDRINUSE|address already in use)`),
    ],
    [{ listen: "192.0.2.1:7443" }, /192\.0\.2\.1:7443: cannot listen there: /],
    [{ data: server.data }, /data: another podium server uses it/],
    [{ data: file("a-file", "") }, /a-file: cannot be used as DATA \(EEXIST\)/],
    [{ data: "/proc/nowhere" }, /\/proc\/nowhere: cannot be used as DATA \(ENOENT\)/],
    [{ data: "/sys/podium" }, /\/sys\/podium: cannot be used as DATA \(E(PERM|ROFS|ACCES)\)/],
    [{ data: "/tmp" }, /\/tmp: others can write in it/],
    [{ config: join(server.certs, "absent.json") }, /absent\.json: cannot be read as JSON: ENOENT/],
    [{ config: file("broken.json", "{") }, /broken\.json: cannot be read as JSON/],
    [{ config: file("key.json", '{"lisen": "x"}') }, /key\.json: .*lisen/],
    [{ config: file("inner.json", '{"defaults": {"cpu": 1}}') }, /inner\.json: defaults: .*cpu/],
    [{ config: file("value.json", '{"defaults": {"memory": "lots"}}') }, /value\.json: defaults\.memory: /],
    [{ config: file("negative.json", '{"maximum": {"cpus": -1}}') }, /negative\.json: maximum\.cpus: /],
    [
      { config: file("relative.json", '{"folders": [{"path": "srv", "users": ["*"]}]}') },
      /relative\.json: folders\.0\.path: /,
    ],
  ];
  for (const [changed, message] of cases) await checkRefused(flagsBeside(server, changed), message);
  assert.not(
    existsSync(`${server.data}-second/zygote.pid`) &&
      isAlive(Number(readFileSync(`${server.data}-second/zygote.pid`, "utf8"))),
  );
  assert.is((await server.api().wait(await server.api().startId("exit 6"))).outcome?.exitCode, 6);
});

test("serve refuses a DATA on a read-only file system, and one whose own files are broken", root, async () => {
  await using server = await LiveServer.start();
  const folder = `${server.data}-ro`;
  mkdirSync(folder);
  const mount = (...args: string[]) => assert.is(spawnSync("mount", args).status, 0);
  mount("-t", "tmpfs", "-o", "ro,mode=0700", "podium-test", folder);
  try {
    await checkRefused(flagsBeside(server, { data: folder }), /-ro: cannot be used as DATA \(EROFS\)/);
  } finally {
    spawnSync("umount", [folder]);
  }
  await server.stop();
  for (const [name, text, message] of [
    ["last-id", "", /last-id: is not the number of the last job/],
    ["id", "", /id: is not the id of a DATA/],
  ] as const) {
    const path = join(server.data, name);
    const before = existsSync(path) ? readFileSync(path) : null;
    writeFileSync(path, text);
    await checkRefused(flagsBeside(server, { data: server.data }), message);
    writeFileSync(path, before ?? "0\n");
  }
  const jobs = join(server.data, "jobs");
  chmodSync(jobs, 0o777);
  await checkRefused(flagsBeside(server, { data: server.data }), /data\/jobs: others can write in it/);
  chmodSync(jobs, 0o700);
  await server.restart();
});

test("the log is JSON lines, with job and user wherever there are any", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api("bob");
  const id = await api.startId("exit 2");
  await api.wait(id);
  await api.start({ argv: ["/nonexistent"] });
  await api.remove(id);
  await until("the lines", () => server.log.some(({ msg }) => msg === "removed"));
  const lines = server.log.filter(({ job }) => job === Number(id));
  assert.equal(
    lines.map(({ msg }) => msg),
    ["started", "ended", "removed"],
  );
  for (const line of lines) {
    assert.is(line.user, "bob");
    assert.is(line.level, "info");
    assert.not.throws(() => new Date(String(line.time)).toISOString());
  }
  assert.is(lines[1]?.cause, "EXITED");
  assert.is(lines[1]?.exitCode, 2);
  const failed = server.log.find(({ msg }) => msg === "start failed");
  assert.equal([failed?.job, failed?.user, failed?.errno], [Number(id) + 1, "bob", "ENOENT"]);
  assert.ok(server.log.some(({ msg }) => msg === "listening"));
});

test("the health service tells of each service, and Info of server and caller", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const services = ["Starter", "Stopper", "Status", "Logger", "Jobs", "Session", "Network", "Info"].map(
    (name) => `podium.${name}`,
  );
  for (const service of ["", ...services]) {
    assert.is((await api.check(service)).status, HealthCheckResponse_ServingStatus.SERVING, service);
  }
  const unknown = await failureOf(api.check("podium.Nosuch"));
  assert.equal([unknown.code, unknown.details], [status.NOT_FOUND, 'there is no service "podium.Nosuch"']);
  const watch = api.health.watch({ service: "podium.Nosuch" });
  const [first] = await watch.take(1).toArray();
  assert.is(first.status, HealthCheckResponse_ServingStatus.SERVICE_UNKNOWN);

  const info = await api.serverInfo();
  assert.match(info.version, /^\d+\.\d+\.\d+/);
  assert.is(info.apiVersion, 2);
  assert.is(info.dataId, readFileSync(join(server.data, "id"), "utf8").trim());
  assert.equal([info.user, info.role], ["alice", Role.USER]);
  assert.is((await server.api("admin").serverInfo()).role, Role.ADMIN);
});

test("a server whose port another takes while it starts leaves no zygote and no groups", root, async () => {
  await using server = await LiveServer.start();
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
  const { port } = blocker.address() as { port: number };
  const data = `${server.data}-blocked`;
  try {
    await checkRefused(flagsBeside(server, { data, listen: `127.0.0.1:${port}` }), /cannot listen there/);
  } finally {
    blocker.close();
  }
  const zygote = Number(readFileSync(join(data, "zygote.pid"), "utf8"));
  await until("its zygote's end", () => !isAlive(zygote));
  assert.equal(readdirSync(join(data, "jobs")), []);
  const tag = readFileSync(join(data, "id"), "utf8").trim();
  const groups = () => spawnSync("find", ["/sys/fs/cgroup", "-name", `podium-${tag}`], { encoding: "utf8" }).stdout;
  await until("its groups are gone", () => groups() === "");
});
