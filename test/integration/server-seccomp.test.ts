import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { failureOf } from "../support/tls-peers.ts";
import { LiveServer } from "./live-server.ts";

const test = suite("seccomp profiles over the network");
const root = requires("root", "libseccomp");

const rule = (names: string[], action: string, more: object = {}) => ({ names, action, ...more });
const profile = (...syscalls: object[]) => JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls });
const mkdir = ["sh", "-c", "exec mkdir /tmp/made"];

test("K15 the outcome names the call, in Status and to podium run", root, async () => {
  await using server = await LiveServer.start();
  const alice = server.api("alice");
  const id = await alice.startId({ argv: mkdir, seccomp: profile(rule(["mkdir", "mkdirat"], "SCMP_ACT_KILL")) });
  const { outcome, state } = await alice.wait(id);
  assert.equal([state, outcome?.cause, outcome?.exitCode], ["FAILED", "SECCOMP", undefined]);
  assert.match(outcome?.syscall ?? "", /^mkdir(at)?$/);
  assert.is(outcome?.message, `called ${outcome?.syscall}, for which its seccomp profile kills`);
});

test("K15 podium run ends with 159", root, async () => {
  using folder = temporaryFolder();
  await using server = await TestServer.start();
  const file = join(folder.path, "p.json");
  writeFileSync(file, profile(rule(["uname"], "SCMP_ACT_KILL_PROCESS")));
  const ran = await server.podium("alice", ["run", "--seccomp", file, "--", "uname"]);
  const line = "podium: job 1: SECCOMP: called uname, for which its seccomp profile kills\n";
  assert.equal([ran.code, ran.stderr], [159, line]);
});

test("K14 includes and excludes go by the capabilities that the job has, and by the machine", root, async () => {
  await using server = await LiveServer.start();
  const alice = server.api("alice");
  const refused = (more: object) => profile(rule(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", { errnoRet: 18, ...more }));
  const other = process.arch === "x64" ? "arm64" : "amd64";
  const exitCode = async (seccomp: string, capAdd: string[] = []) =>
    (await alice.wait(await alice.startId({ argv: mkdir, seccomp, capAdd }))).outcome?.exitCode;
  assert.is(await exitCode(refused({ excludes: { caps: ["CAP_KILL"] } })), 1);
  assert.is(await exitCode(refused({ excludes: { caps: ["CAP_KILL"] } }), ["KILL"]), 0);
  assert.is(await exitCode(refused({ includes: { caps: ["CAP_KILL"] } })), 0);
  assert.is(await exitCode(refused({ includes: { caps: ["CAP_KILL"] } }), ["oci-default"]), 1);
  assert.is(await exitCode(refused({ includes: { arches: [other] } })), 0);
  assert.is(await exitCode(refused({ excludes: { arches: [other] } })), 1);
});

test("K13 a bad profile is refused by its place; unconfined is for admins", root, async () => {
  await using server = await LiveServer.start();
  const [alice, admin] = [server.api("alice"), server.api("admin")];
  const bad = await failureOf(alice.start({ argv: mkdir, seccomp: profile(rule(["no_such_call"], "SCMP_ACT_ERRNO")) }));
  assert.is(bad.code, status.INVALID_ARGUMENT);
  assert.match(bad.details, /^seccomp: .*syscalls\[0\]\.names\[0\]: "no_such_call" is no system call/);
  assert.is((await failureOf(alice.start({ argv: mkdir, seccomp: "unconfined" }))).code, status.PERMISSION_DENIED);
  const id = await admin.startId({ argv: ["grep", "^Seccomp:", "/proc/self/status"], seccomp: "unconfined" });
  assert.is(String((await admin.output({ id })).stdout), "Seccomp:\t0\n");
  assert.equal((await alice.list(true)).length, 0);
});
