// `--upload` and `--download`: a folder goes in as the cwd, results come back, also of jobs that fail.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { failureOf } from "../support/tls-peers.ts";
import { LiveServer, until } from "./live-server.ts";

const test = suite("work folders");
const root = requires("root", "libseccomp");

function tarOf(path: string): Buffer {
  return execFileSync("tar", ["-cf", "-", "-C", path, "."], { maxBuffer: 16 << 20 });
}

test("a folder goes in as the cwd and results come back, also of a job that fails", root, async () => {
  using place = temporaryFolder();
  const project = join(place.path, "project");
  mkdirSync(join(project, "src"), { recursive: true });
  writeFileSync(join(project, "src/in"), "input\n");
  writeFileSync(join(project, "run.sh"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
  await using server = await TestServer.start();
  const script =
    "pwd; ls; id -u; stat -c '%u %a' . run.sh; mkdir out; tr a-z A-Z < src/in > out/result; ln -s result out/link; ./run.sh";
  const options = ["--upload", project, "--download", "out", "--download", "src/in::renamed", "--user", "7"];
  const ran = await server.podium("alice", ["run", ...options, "--", "sh", "-c", script], { cwd: place.path });
  assert.equal([ran.stdout, ran.stderr, ran.code], ["/work\nrun.sh\nsrc\n7\n7 755\n7 755\n", "", 3]);
  assert.is(readFileSync(join(place.path, "out/result"), "utf8"), "INPUT\n");
  assert.is(readFileSync(join(place.path, "out/link"), "utf8"), "INPUT\n");
  assert.is(readFileSync(join(place.path, "renamed"), "utf8"), "input\n");
  assert.not.ok(existsSync(join(project, "out")), "what was sent stays as it is");
  const kept = join(server.data, "jobs/1/work");
  assert.is(statSync(join(kept, "out/result")).uid, 0x80000000);
  assert.match((await server.podium("alice", ["status", "1", "-o", "json"])).stdout, '"work": "/work"');
  await server.podium("alice", ["rm", "1"]);
  assert.equal(readdirSync(join(server.data, "jobs")), []);
  await until("what was removed is gone", () => readdirSync(join(server.data, "trash")).length === 0);
});

test("results need no upload, -w says where the folder is, and what is missing is told", root, async () => {
  using place = temporaryFolder();
  await using server = await TestServer.start();
  const run = (...args: string[]) => server.podium("alice", ["run", ...args], { cwd: place.path });
  const made = await run(
    "-w",
    "/place",
    "--download",
    ".",
    "--",
    "sh",
    "-c",
    "pwd; echo x > one; mkdir two; echo y > two/f",
  );
  assert.equal([made.stdout, made.stderr, made.code], ["/place\n", "", 0]);
  assert.equal(readdirSync(place.path).sort(), ["one", "two"]);
  const missing = await run("--download", "nothing", "--", "true");
  const message = "podium: --download nothing: nothing: there is no such file or folder in the job\n";
  assert.equal([missing.stderr, missing.code], [message, 125]);
  const failed = await run("--download", "nothing", "--", "sh", "-c", "exit 4");
  assert.is(failed.code, 4);
  const outside = await run("--download", "/etc/passwd", "--", "true");
  assert.match(outside.stderr, /only what is in its work folder \/work is kept/);
  const absent = await run("--upload", "absent", "--", "true");
  assert.equal([absent.stderr, absent.code], ["podium: --upload absent: there is no such file or folder\n", 125]);
  const removed = await run("--rm", "--download", "r", "--", "sh", "-c", "echo result > r");
  assert.is(removed.code, 0);
  assert.is(readFileSync(join(place.path, "r"), "utf8"), "result\n");
});

test(
  "start has an upload too, several jobs never see each other's, and rootfs and grants go with it",
  root,
  async () => {
    using place = temporaryFolder();
    const project = join(place.path, "project");
    mkdirSync(join(project, "data"), { recursive: true });
    writeFileSync(join(project, "f"), "sent\n");
    mkdirSync(join(place.path, "granted"));
    writeFileSync(join(place.path, "granted/g"), "granted\n");
    const folders = [{ path: place.path, users: ["alice"] }];
    await using server = await TestServer.start({ config: { folders } });
    const options = ["--upload", project, "--dir", `${join(place.path, "granted")}::/work/data`];
    for (const id of ["1", "2"]) {
      const script = `cat f data/g; echo ${id} > own; ls; rm f`;
      const started = await server.podium("alice", ["start", ...options, "--", "sh", "-c", script]);
      assert.equal([started.stdout, started.stderr], [`${id}\n`, ""]);
      assert.is((await server.podium("alice", ["logs", "-f", id])).stdout, "sent\ngranted\ndata\nf\nown\n");
    }
    assert.equal(readdirSync(join(server.data, "uploads")), []);
  },
);

test("an upload is its user's, serves one Start, and is bounded", root, async () => {
  using place = temporaryFolder();
  const folder = (name: string, files: number, bytes: number) => {
    mkdirSync(join(place.path, name));
    for (let i = 0; i < files; i++) writeFileSync(join(place.path, name, `f${i}`), Buffer.alloc(bytes));
    return join(place.path, name);
  };
  await using server = await LiveServer.start({ config: { copies: { size: "1M", files: 20 } } });
  const [alice, bob] = [server.api("alice"), server.api("bob")];
  const stream = tarOf(folder("fits", 3, 1000));
  const { id } = await alice.upload([stream.subarray(0, 700), stream.subarray(700)]);
  const start = (api: typeof alice, upload: string) => api.start({ argv: ["ls"], work: { upload } });
  assert.match(
    (await failureOf(start(bob, id))).details,
    /^work\.upload: there is no upload .* of yours; it may have waited/,
  );
  assert.match((await failureOf(start(alice, "x"))).details, /^work\.upload: there is no upload "x" of yours/);
  const started = await start(alice, id);
  assert.is(started.response?.$case, "success");
  assert.is((await failureOf(start(alice, id))).code, status.INVALID_ARGUMENT);
  const refusals: readonly (readonly [Buffer, number, RegExp])[] = [
    [tarOf(folder("large", 1, 2 << 20)), status.RESOURCE_EXHAUSTED, /^tar: it is larger than 1048576 bytes/],
    [tarOf(folder("many", 30, 0)), status.RESOURCE_EXHAUSTED, /^tar: it has more than 20 files/],
    [stream.subarray(0, 1000), status.INVALID_ARGUMENT, /^tar: the stream broke off/],
    [Buffer.from("no tar at all".repeat(100)), status.INVALID_ARGUMENT, /^tar: the stream is damaged/],
  ];
  for (const [tar, code, details] of refusals) {
    const refusal = await failureOf(alice.upload([tar]));
    assert.equal([refusal.code, details.test(refusal.details)], [code, true], refusal.details);
  }
  assert.is((await failureOf(server.api("viewer").upload([stream]))).code, status.PERMISSION_DENIED);
  await until("nothing of what was refused stays", () => readdirSync(join(server.data, "trash")).length === 0);
  assert.equal(readdirSync(join(server.data, "uploads")), []);
});

test(
  "F16 a tree that a job left behind, of any shape, neither holds the server up nor leads it out",
  root,
  async () => {
    await using server = await LiveServer.start({ config: { copies: { size: "64M" } } });
    const [alice, bob] = [server.api("alice"), server.api("bob")];
    const script = `import os, socket
os.mkfifo("fifo"); os.symlink("/etc/passwd", "link"); os.symlink("/etc", "etc"); os.symlink("../../../../..", "up")
s = socket.socket(socket.AF_UNIX); s.bind("socket")
open("sparse", "w").truncate(1 << 40)
open("secret", "w").write("x"); os.chmod("secret", 0)
os.mkdir("tree"); os.mkfifo("tree/fifo"); open("tree/file", "w").write("kept")
os.mkdir("deep"); os.chdir("deep")
for i in range(3000):
  os.mkdir("d"); os.chdir("d")
`;
    const id = await alice.startId({ argv: ["python3", "-c", script], work: { upload: "" } });
    assert.is((await alice.wait(id)).outcome?.exitCode, 0);
    const tree = await alice.get(id, "tree");
    assert.equal(tree.notes, ["tree/fifo: left out: is a FIFO, a socket or a device"]);
    assert.match(tree.tar.toString("latin1"), "kept");
    assert.match((await alice.get(id, "deep")).notes.join("\n"), /left out: is more than 128 folders deep/);
    const link = (await alice.get(id, "link")).tar.toString("latin1");
    assert.match(link, "/etc/passwd");
    assert.not.match(link, "root:");
    assert.is((await alice.get(id, "secret")).notes.length, 0);
    const refusals: readonly (readonly [string, number])[] = [
      ["fifo", status.FAILED_PRECONDITION],
      ["socket", status.FAILED_PRECONDITION],
      ["sparse", status.RESOURCE_EXHAUSTED],
      ["etc/passwd", status.NOT_FOUND],
      ["up/etc/passwd", status.NOT_FOUND],
      ["../exit.json", status.FAILED_PRECONDITION],
      ["/work/../../exit.json", status.FAILED_PRECONDITION],
      ["nothing", status.NOT_FOUND],
      ["a\0b", status.INVALID_ARGUMENT],
    ];
    for (const [path, code] of refusals) {
      const refusal = await failureOf(alice.get(id, path));
      assert.is(refusal.code, code, path);
    }
    assert.is((await failureOf(bob.get(id, "tree"))).code, status.NOT_FOUND);
    assert.ok((await server.api("viewer").get(id, "tree")).tar.length > 0, "a viewer reads");
    const none = await alice.startId("true");
    await alice.wait(none);
    assert.match(
      (await failureOf(alice.get(none, "x"))).details,
      /has ended and kept no files; start it with --upload/,
    );
    await alice.remove(id);
    await until(
      "a tree deeper than a path can name is removed",
      () => readdirSync(join(server.data, "trash")).length === 0,
    );
  },
);

test("uploads that waited are gone after a restart, kept work folders are not", root, async () => {
  using place = temporaryFolder();
  writeFileSync(join(place.path, "f"), "x");
  await using server = await LiveServer.start();
  const api = server.api();
  await api.upload([tarOf(place.path)]);
  const id = await api.startId({ cmd: "echo kept > result", work: { upload: "" } });
  await api.wait(id);
  await server.kill();
  await server.restart();
  await until("waiting uploads are removed", () => readdirSync(join(server.data, "uploads")).length === 0);
  assert.match((await server.api().get(id, "result")).tar.toString("latin1"), "kept");
});
