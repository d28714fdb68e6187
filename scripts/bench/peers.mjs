// What else starts a program on this machine: plain posix_spawn, bubblewrap, runc, crun, docker. Whoever is missing is named.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { built } from "./built.mjs";

const program = "/usr/bin/true";
const bwrapArgs = ["--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", program];

/** posix_spawn(3) and waitpid(2) from this process: glibc's vfork, the cheapest way there is from a large process. */
async function plainSpawn() {
  const { libc } = await built("sandbox/sys/ffi.js");
  const { waitFor } = await built("sandbox/sys/process.js");
  const spawn = libc("int posix_spawn(uint8_t*, const char*, void*, void*, const char**, const char**)");
  const pid = Buffer.alloc(4);
  return (path, args) => {
    const failed = spawn(pid, path, null, null, [path, ...args, null], ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", null]);
    if (failed !== 0) throw new Error(`${path} does not start (errno ${failed})`);
    const status = waitFor(pid.readInt32LE(0));
    if (status !== 0) throw new Error(`${path} ended with status ${status}`);
  };
}

function timed(body) {
  const from = performance.now();
  body();
  return { total: performance.now() - from };
}

function pathOf(name) {
  return ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map((folder) => join(folder, name)).find(existsSync) ?? null;
}

/** Debian's own package, when there is none. */
function install(name) {
  if (pathOf(name) !== null || pathOf("apt-get") === null) return;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["install", "-y", "--no-install-recommends", name], { env, stdio: "ignore", timeout: 120_000 });
}

/** A bundle of the runtime spec with the programs that true needs. */
function bundleFor(runtime, folder) {
  const bundle = join(folder, "bundle");
  const rootfs = join(bundle, "rootfs");
  mkdirSync(join(rootfs, "usr/bin"), { recursive: true });
  cpSync(program, join(rootfs, program));
  const libraries = spawnSync("ldd", [program], { encoding: "utf8" }).stdout.match(/\/\S+(?= \()/g) ?? [];
  for (const library of libraries) cpSync(library, join(rootfs, library), { recursive: true, dereference: true });
  spawnSync(runtime, ["spec"], { cwd: bundle });
  const file = join(bundle, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  config.process.terminal = false;
  config.process.args = [program];
  writeFileSync(file, JSON.stringify(config));
  return bundle;
}

function ociRuntime(name, spawn, folder) {
  install(name);
  const runtime = pathOf(name);
  if (runtime === null) return { missing: `${name}: not installed` };
  const bundle = bundleFor(runtime, join(folder, name));
  let last = 0;
  const run = () => timed(() => spawn(runtime, ["run", "--bundle", bundle, `bench-${process.pid}-${++last}`]));
  try {
    run();
  } catch (error) {
    return { missing: `${name}: ${error.message}` };
  }
  return { peer: { name: `${name} run`, slow: true, run: async () => run() } };
}

/** Only with a daemon that runs already, and an image of its own made from the bundle's root. */
function docker(spawn) {
  const client = pathOf("docker");
  if (client === null) return { missing: "docker: not installed" };
  const { status } = spawnSync(client, ["image", "inspect", "busybox"], { stdio: "ignore", timeout: 10_000 });
  if (status !== 0) return { missing: "docker: no daemon answers, or it has no image busybox" };
  const run = () => timed(() => spawn(client, ["run", "--rm", "busybox", "true"]));
  return { peer: { name: "docker run, bridge", slow: true, run: async () => run() } };
}

/** `measured`: by name, each with `run`; `missing`: why the others are not there. */
export async function peers(folder) {
  const spawn = await plainSpawn();
  const floor = { name: "true, posix_spawn to waitpid", run: async () => timed(() => spawn(program, [])) };
  const bwrap = pathOf("bwrap");
  const bubblewrap =
    bwrap === null
      ? { missing: "bwrap: not installed" }
      : { peer: { name: "bwrap --unshare-all true", run: async () => timed(() => spawn(bwrap, bwrapArgs)) } };
  const others = [bubblewrap, ociRuntime("runc", spawn, folder), ociRuntime("crun", spawn, folder), docker(spawn)];
  return {
    measured: [floor, ...others.flatMap(({ peer }) => peer ?? [])],
    missing: others.flatMap(({ missing }) => missing ?? []),
  };
}
