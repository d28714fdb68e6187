// Which folders of the host a request may name: those of the configuration, and no others by any way around.
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { Rootfs, RootfsMode } from "../../src/gen/podium.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import { LiveServer } from "./live-server.ts";

const test = suite("folders of the host");
const root = requires("root", "libseccomp");
const { PERMISSION_DENIED } = status;

/** Folders `ours` (alice may write), `shared` (all may read) and `outside`, which nobody may name. */
async function serverWithFolders() {
  const server = await LiveServer.start({ config: { folders: [] } });
  const place = join(server.certs, "..", "folders");
  const path = (name: string) => join(place, name);
  for (const name of ["ours", "shared", "outside", "ours-too"]) mkdirSync(path(name), { recursive: true });
  for (const name of ["ours", "shared", "outside"]) writeFileSync(join(path(name), "file"), `${name}\n`);
  symlinkSync(path("ours"), path("link-to-ours"));
  const folders = [
    { path: `${path("link-to-ours")}/`, users: ["alice"], write: true },
    { path: path("shared"), users: ["*"] },
  ];
  writeFileSync(join(server.certs, "..", "config.json"), JSON.stringify({ folders, network: { default: "none" } }));
  await server.stop();
  await server.restart();
  return { server, path };
}

test("allowed folders may be named by their users, in their ways, and by no way around", root, async () => {
  const { server, path } = await serverWithFolders();
  await using _ = server;
  symlinkSync(path("outside"), join(path("ours"), "way-out"));
  symlinkSync("/", join(path("ours"), "root"));
  const grant = (source: string, writable = false) => [{ source, target: "/x", writable }];
  const alice = server.api("alice");
  const read = async (source: string, writable = false) => {
    const id = await alice.startId({ argv: ["cat", "/x/file"], grants: grant(source, writable) });
    return String((await alice.output({ id })).stdout);
  };
  assert.is(await read(path("ours"), true), "ours\n");
  assert.is(await read(path("link-to-ours")), "ours\n");
  assert.is(await read(path("shared")), "shared\n");
  assert.is(await read(`${path("ours")}/../shared`), "shared\n");
  const ways: readonly [string, boolean, RegExp][] = [
    [path("outside"), false, /may not be named by alice/],
    [path("ours-too"), false, /may not be named by alice/],
    [`${path("ours")}/..`, false, /may not be named by alice/],
    [`${path("ours")}/../outside`, false, /may not be named by alice/],
    [`${path("ours")}/absent/../../outside`, false, /does not exist|may not be named/],
    [join(path("ours"), "way-out"), false, /may not be named by alice/],
    [join(path("ours"), "way-out", "file"), false, /may not be named by alice/],
    [join(path("ours"), "root", "etc"), false, /may not be named by alice/],
    [path("shared"), true, /may not be written by alice/],
    [join(path("ours"), "absent"), false, /absent does not exist on the server/],
  ];
  for (const [source, writable, details] of ways) {
    const refusal = await failureOf(alice.start({ argv: ["true"], grants: grant(source, writable) }));
    assert.match(refusal.details, details, source);
    assert.match(refusal.details, /^grants\[0\]/);
  }
  const bob = server.api("bob");
  const theirs = await failureOf(bob.start({ argv: ["true"], grants: grant(path("ours")) }));
  assert.is(theirs.code, PERMISSION_DENIED);
  assert.ok((await bob.startId({ argv: ["true"], grants: grant(path("shared")) })) > 0n);
  const rw = Rootfs.create({ path: path("shared"), mode: RootfsMode.RW });
  assert.is((await failureOf(bob.start({ argv: ["true"], rootfs: rw }))).code, PERMISSION_DENIED);
});

test("a folder that is swapped for a link at that moment leads nowhere", root, async () => {
  const { server, path } = await serverWithFolders();
  await using _ = server;
  const [ours, real, link] = ["", "/real", "/link"].map((name) => join(path("ours"), name)) as [string, string, string];
  const inside = join(ours, "d");
  mkdirSync(inside);
  writeFileSync(join(inside, "file"), "ours\n");
  symlinkSync(path("outside"), link);
  let swapping = true;
  const swap = async () => {
    while (swapping) {
      renameSync(inside, real);
      renameSync(link, inside);
      await new Promise(setImmediate);
      renameSync(inside, link);
      renameSync(real, inside);
      await new Promise(setImmediate);
    }
  };
  const swapped = swap();
  const api = server.api();
  const seen = { ours: 0, refused: 0 };
  const grants = [{ source: inside, target: "/x", writable: false }];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let i = 0; i < 25 || (i < 1000 && (seen.ours === 0 || seen.refused === 0)); i++) {
        const answer = await api.start({ argv: ["cat", "/x/file"], grants }).catch(() => null);
        if (answer?.response?.$case !== "success") {
          seen.refused++;
          continue;
        }
        const text = String((await api.output({ id: answer.response.value.id })).stdout);
        assert.not.match(text, /outside/);
        seen.ours++;
      }
    }),
  );
  swapping = false;
  await swapped;
  console.log(`starts during the swapping: ${JSON.stringify(seen)}`);
  assert.ok(seen.ours > 0 && seen.refused > 0, "both were met");
  rmSync(link, { force: true });
});

test("K18 podium's own data and keys cannot be named, even where all of the host may be", root, async () => {
  await using server = await LiveServer.start({ config: { folders: [{ path: "/", users: ["*"], write: true }] } });
  const api = server.api();
  const own = [server.data, join(server.data, "jobs"), server.certs, join(server.certs, "server.key"), "/"];
  for (const source of own) {
    const refusal = await failureOf(api.start({ argv: ["true"], grants: [{ source, target: "/x", writable: false }] }));
    assert.is(refusal.code, PERMISSION_DENIED, source);
    assert.match(refusal.details, /^grants\[0\]\.source: .* holds or is podium's own data or key/);
  }
  const rootfs = await failureOf(
    api.start({ argv: ["true"], rootfs: Rootfs.create({ path: "/", mode: RootfsMode.RO }) }),
  );
  assert.match(rootfs.details, /^rootfs\.path: \/ holds or is podium's own/);
  const granted = await api.startId({
    argv: ["ls", "/x"],
    grants: [{ source: "/usr", target: "/x", writable: false }],
  });
  assert.match(String((await api.output({ id: granted })).stdout), /^bin\n/);
});

test("T18 the API socket, certificates and DATA cannot be reached from inside a job", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const program = `import os, socket
def tried(what, act):
  try: print(what, "REACHED", act())
  except OSError as error: print(what, "no:", error.strerror)
tried("port", lambda: socket.create_connection(("127.0.0.1", ${server.port}), 2))
for path in ["${server.data}", "${server.certs}", "${server.certs}/server.key", "${server.data}/jobs/1/control", "/run/podium"]:
  tried("list", lambda: os.listdir(path))
  tried("open", lambda: open(path).read())
tried("control", lambda: socket.socket(socket.AF_UNIX).connect("${server.data}/jobs/1/control"))
print("sockets", len(list(open("/proc/net/unix"))) - 1)
print("over")
`;
  const { stdout, stderr } = await api.output({ id: await api.startId({ argv: ["python3", "-c", program] }) });
  assert.is(String(stderr), "");
  assert.match(String(stdout), /^port no: Connection refused\n/);
  assert.match(String(stdout), /control no: No such file or directory\nsockets 0\nover\n$/);
  assert.not.match(String(stdout), /REACHED/);
});

test("K18 sockets of the host, with a path or abstract, cannot be reached", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const [path, name] = [`${server.certs}/host.sock`, `podium-test-${process.pid}`];
  const listeners = [path, `\0${name}`].map((address) => createServer((socket) => socket.end("host")).listen(address));
  try {
    const program = `import socket
for address in ["${path}", "\\0${name}", "/run/systemd/notify", "/run/dbus/system_bus_socket", "/var/run/docker.sock"]:
  try:
    socket.socket(socket.AF_UNIX).connect(address)
    print("REACHED", address)
  except OSError as error: print("no", error.strerror)
`;
    const { stdout, stderr } = await api.output({ id: await api.startId({ argv: ["python3", "-c", program] }) });
    assert.is(String(stderr), "");
    assert.match(String(stdout), /^(no (No such file or directory|Connection refused)\n){5}$/);
  } finally {
    for (const listener of listeners) listener.close();
  }
});
