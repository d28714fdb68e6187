// The audit log of a real server: a line for each call, allowed or refused, and for each refused connection.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { type ServiceError, status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { initAuthority, issueUser, openAuthority } from "../../src/certs/authority.ts";
import { connectionFor } from "../../src/client/credentials.ts";
import { loadProfile } from "../../src/client/profile.ts";
import { FailureCode } from "../../src/gen/podium.ts";
import type { AuditRecord } from "../../src/server/audit/line.ts";
import { unmounted } from "../support/mounts.ts";
import { podiumScript, startProgram } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { failureOf } from "../support/tls-peers.ts";
import { LiveServer, until } from "./live-server.ts";

const test = suite("audit");
const root = requires("root", "libseccomp");

async function podiumAudit(data: string, ...args: string[]) {
  const { code, stdout, stderr } = await startProgram(podiumScript, ["audit", ...args, "--data", data], { input: "" })
    .ended;
  return { code, stdout: stdout.toString(), stderr };
}

async function records(data: string, ...args: string[]): Promise<AuditRecord[]> {
  return JSON.parse((await podiumAudit(data, "-o", "json", ...args)).stdout) as AuditRecord[];
}

function short({ user, call, job, decision }: AuditRecord) {
  return [user, call, job, decision].join(" ");
}

test("each call is one line with who, what, which job and the decision", root, async () => {
  await using server = await LiveServer.start();
  const [alice, bob, viewer] = [server.api("alice"), server.api("bob"), server.api("viewer")];
  const id = await alice.startId("sleep 1000");
  const job = Number(id);
  assert.is((await bob.status(id)).response?.$case, "failure");
  await failureOf(viewer.start({ cmd: "true" }));
  await failureOf(alice.start({ cmd: "true", cwd: "nowhere" }));
  await failureOf(bob.wait(id));
  const following = alice.log({ id });
  const waiting = failureOf(alice.wait(id));
  await alice.list();
  await until("the streams are let in", () => readLog(server).split("\n").length > 8);
  await server.stop(); // SIGTERM loses nothing
  await waiting;
  following.cancel();
  await server.restart();
  await server.api("admin").stop({ id, graceMs: 0n });
  await server.kill(); // nor does SIGKILL
  const all = await records(server.data);
  assert.equal(all.map(short).sort(), [
    `admin Stopper/Stop ${job} allowed`,
    "alice Jobs/List  allowed",
    `alice Jobs/Wait ${job} allowed`,
    `alice Logger/Log ${job} allowed`,
    "alice Starter/Start  refused",
    `alice Starter/Start ${job} allowed`,
    `bob Jobs/Wait ${job} refused`,
    `bob Status/Status ${job} refused`,
    "viewer Starter/Start  refused",
  ]);
  const first = all[0];
  assert.match(first?.serial ?? "", /^[0-9A-F]{32}$/);
  assert.match(first?.fingerprint ?? "", /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  assert.match(first?.peer ?? "", /^127\.0\.0\.1:\d+$/);
  assert.is(all.find(({ call, user }) => call === "Status/Status" && user === "bob")?.reason, `there is no job ${id}`);
  assert.match(all.find(({ user }) => user === "viewer")?.reason ?? "", /changes nothing/);

  assert.equal((await records(server.data, "--user", "bob")).length, 2);
  assert.equal((await records(server.data, "--job", String(job), "--decision", "allowed")).length, 4);
  assert.equal((await records(server.data, "--call", "Start", "--since", "1h")).length, 3);
  assert.equal(await records(server.data, "--since", "2100-01-01"), []);
  assert.match(
    (await podiumAudit(server.data, "--user", "viewer")).stdout,
    /^TIME .*\n\S+ \S+ {2}refused {3}viewer {8}Starter\/Start/,
  );
  await checkVerify(server);
});

/** `podium audit verify` sees the log intact, and names the line after one that was changed. */
async function checkVerify(server: LiveServer): Promise<void> {
  const verified = await podiumAudit(server.data, "verify");
  assert.match(verified.stdout, /^intact: 9 lines, 1 to 9; the last has SHA-256 [0-9a-f]{64}\n$/);
  assert.equal([verified.code, verified.stderr], [0, ""]);

  const file = join(server.data, "audit", "audit-000001.ndjson");
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace('"user":"viewer"', '"user":"alice"'));
  const tampered = await podiumAudit(server.data, "verify");
  const line = text.split("\n").findIndex((each) => each.includes('"user":"viewer"')) + 2;
  assert.equal([tampered.code, tampered.stdout], [1, ""]);
  assert.is(
    tampered.stderr,
    `podium: audit: audit-000001.ndjson:${line}: it does not carry the SHA-256 of the line before it\n`,
  );
  writeFileSync(file, text);
}

function readLog(server: LiveServer): string {
  return readFileSync(join(server.data, "audit", "audit-000001.ndjson"), "utf8");
}

test(
  "a certificate that the handshake or the call refuses is written down, a flood of them is bounded",
  root,
  async () => {
    await using server = await LiveServer.start();
    using folder = temporaryFolder();
    initAuthority({ folder: folder.path, hosts: [], days: 1, replace: false });
    const request = { name: "eve", role: "user", server: server.address, days: 1, replace: false } as const;
    issueUser(openAuthority(folder.path), request);
    const { secureContext, certificate } = connectionFor(
      loadProfile({ profile: join(folder.path, "eve.podium") }, {}, "/nonexistent"),
    );
    const attempt = async () => {
      const socket = connectTls({ host: "127.0.0.1", port: server.port, secureContext, rejectUnauthorized: false });
      socket.on("error", () => {});
      await once(socket, "close");
    };
    await attempt();
    await until("the line", () => readLog(server).includes("TLS"));
    const [line] = await records(server.data);
    assert.equal([line?.user, line?.call, line?.decision, line?.job], ["eve", "TLS", "refused", null]);
    assert.equal([line?.fingerprint, line?.serial], [certificate.fingerprint256, certificate.serialNumber]);
    assert.match(line?.reason ?? "", /CERT|CRL|SIGNATURE/);
    for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 20 }, attempt));
    await server.api().list();
    const flood = await records(server.data, "--call", "TLS");
    assert.is(flood.length, 60, "and no more in this minute");
  },
);

test(
  "what cannot be written down is not started; the rest goes on and is written when there is room",
  root,
  async () => {
    await using server = await LiveServer.start();
    await server.stop();
    const audit = join(server.data, "audit");
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0700", "podium-test", audit]);
    assert.is(mounted.status, 0, String(mounted.stderr));
    try {
      await server.restart();
      const api = server.api();
      const id = await api.startId("sleep 1000");
      spawnSync("dd", ["if=/dev/zero", `of=${join(audit, "filler")}`, "bs=4k"]);
      while (!server.log.some(({ msg }) => msg === "the audit log cannot be written")) await api.list();
      const { response } = await api.start({ cmd: "true" });
      assert.ok(response?.$case === "failure");
      assert.is(response.value.code, FailureCode.SERVER_ERROR);
      assert.match(response.value.msg, /^nothing is started that cannot be written down: the audit log: ENOSPC/);
      const attach = api.session.attach();
      attach.write({ request: { $case: "open", value: { id } } });
      const [refused] = (await once(attach, "error")) as [ServiceError];
      assert.is(refused.code, status.UNAVAILABLE);
      assert.match(refused.details, /^nothing is changed that cannot be written down/);
      assert.is((await api.stop({ id, graceMs: 0n })).response?.$case, "success", "but everything can be stopped");
      spawnSync("rm", [join(audit, "filler")]);
      const next = await api.startId("true");
      const all = await records(server.data, "--call", "Start");
      assert.equal(
        all.map(({ job, decision }) => [job, decision]),
        [
          [Number(id), "allowed"],
          [null, "refused"],
          [Number(next), "allowed"],
        ],
      );
      assert.is((await records(server.data, "--call", "Stop")).length, 1, "what had to wait is there");
      assert.match((await podiumAudit(server.data, "verify")).stdout, /^intact/);
      await server.stop();
    } finally {
      await server.kill();
      await unmounted(audit);
    }
    await server.restart();
  },
);

test("the log is bounded as the configuration says, and 500 calls are as many lines", root, async () => {
  await using server = await LiveServer.start({ config: { audit: { fileBytes: "64K", files: 2 } } });
  const api = server.api();
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 50 }, () => api.serverInfo()));
  const { stdout } = await podiumAudit(server.data, "verify");
  assert.match(stdout, /^intact: \d+ lines, \d+ to 500 /);
  assert.is(readdirSync(join(server.data, "audit")).filter((name) => name.endsWith("ndjson")).length, 2);
});
