// `docker run` with a daemon of the bench's own, in mount, network and pid namespaces of its own: its bridge, its mounts and
// all that it starts go with it. Where it is not installed, Debian's packages are unpacked into the bench's folder.
import { spawn as spawnChild, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeRoot } from "./oci.mjs";
import { measuredProgram, pathOf, reasonOf, timed } from "./programs.mjs";

const packages = ["docker.io", "containerd", "libdevmapper1.02.1"];
const image = "podium-bench";
const readyMs = 30_000;
const goneMs = 10_000;

/** Where the programs are; null with the reason where they cannot be had. */
function unpacked(folder) {
  const installed = ["dockerd", "docker", "containerd"].every((name) => pathOf(name) !== null);
  if (installed) return { prefix: "" };
  const prefix = join(folder, "packages");
  mkdirSync(prefix, { recursive: true });
  const how = { cwd: prefix, timeout: 120_000 };
  const mend = "; install it with apt-get install docker.io";
  const refused = pathOf("apt-get") === null ? "no apt-get" : reasonOf("apt-get", ["download", ...packages], how);
  if (refused !== null) return { reason: `not installed, and its packages cannot be fetched: ${refused}${mend}` };
  for (const file of readdirSync(prefix).filter((name) => name.endsWith(".deb"))) {
    const failed = reasonOf("dpkg-deb", ["-x", file, "."], how);
    if (failed !== null) return { reason: `not installed, and its packages cannot be unpacked: ${failed}${mend}` };
  }
  return { prefix };
}

/** In the namespaces: a /run of its own, then the daemon in place of the shell. */
const script = 'mount -t tmpfs tmpfs /run && exec "$@"';

class Daemon {
  #child;
  #cgroup = `podium-bench-${process.pid}`;
  #log;
  client;
  #host;

  constructor(prefix, folder) {
    const at = (name) => join(folder, name);
    const bin = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    const path = [...(prefix === "" ? [] : bin.map((dir) => prefix + dir)), ...bin];
    const libraries = process.arch === "arm64" ? "usr/lib/aarch64-linux-gnu" : "usr/lib/x86_64-linux-gnu";
    const env = { PATH: path.join(":"), LD_LIBRARY_PATH: prefix === "" ? "" : join(prefix, libraries) };
    const places = ["--data-root", at("data"), "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"];
    this.#host = ["--host", `unix://${at("docker.sock")}`];
    const settings = ["--iptables=false", "--ip6tables=false", "--cgroup-parent", `/${this.#cgroup}`];
    const driver = ["--exec-opt", "native.cgroupdriver=cgroupfs"];
    const dockerd = ["dockerd", ...places, ...this.#host, ...settings, ...driver];
    const own = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    this.client = pathOf("docker", path);
    this.#log = at("log");
    const log = openSync(this.#log, "w");
    this.#child = spawnChild("unshare", [...own, "--", "sh", "-c", script, "sh", ...dockerd], {
      env,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#child.on("error", () => {});
  }

  args(...command) {
    return [...this.#host, ...command];
  }

  /** null: it answers; else why it does not. */
  async refusal() {
    const deadline = performance.now() + readyMs;
    while (this.#child.exitCode === null && this.#child.signalCode === null && performance.now() < deadline) {
      if (reasonOf(this.client, this.args("version")) === null) return null;
      await sleep(200);
    }
    const lines = readFileSync(this.#log, "utf8").trim().split("\n");
    const last = lines.findLast((text) => /level=(fatal|error)|failed/.test(text)) ?? lines.at(-1);
    return `its daemon does not start on this host: ${last}`;
  }

  /**
   * The first process of its pid namespace is gone when all others are, and their mounts and links with them; what is left
   * are the folders of control groups.
   */
  async close() {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) {
      const ended = once(this.#child, "exit");
      const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
      process.kill(Number(first) || pid, "SIGKILL");
      await ended;
    }
    const deadline = performance.now() + goneMs;
    const roots = ["/sys/fs/cgroup", ...readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name))];
    const groups = () => roots.map((root) => join(root, this.#cgroup)).filter(existsSync);
    while (groups().some((group) => !removed(group)) && performance.now() < deadline) await sleep(50);
  }
}

function removed(group) {
  try {
    const inner = readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const { name } of inner) removed(join(group, name));
    rmdirSync(group);
    return true;
  } catch {
    return false; // it is not empty yet
  }
}

/** The image is the root that runc gets too. null or why it cannot be made. */
function importImage(daemon, folder) {
  const root = join(folder, "root");
  makeRoot(root);
  const tar = join(folder, "root.tar");
  spawnSync("tar", ["-C", root, "-cf", tar, "."]);
  return reasonOf(daemon.client, daemon.args("import", tar, image));
}

/** Whatever goes wrong with it, the others are measured. */
export async function docker(spawn, folder) {
  try {
    return await dockerHere(spawn, folder);
  } catch (error) {
    return { missing: `docker: ${error.message}` };
  }
}

async function dockerHere(spawn, folder) {
  const place = join(folder, "docker");
  mkdirSync(place);
  const { prefix, reason } = unpacked(place);
  if (reason !== undefined) return { missing: `docker: ${reason}` };
  const daemon = new Daemon(prefix, place);
  try {
    return await measurable(daemon, spawn, place);
  } catch (error) {
    await daemon.close();
    throw error;
  }
}

async function measurable(daemon, spawn, place) {
  const close = () => daemon.close();
  const run = (network) => daemon.args("run", "--rm", "--net", network, image, measuredProgram);
  const refused = (await daemon.refusal()) ?? importImage(daemon, place);
  if (refused !== null) return { missing: `docker: ${refused}`, close };
  const found = { peers: [], missing: [], close };
  for (const network of ["bridge", "none"]) {
    const failed = reasonOf(daemon.client, run(network));
    const peer = {
      name: `docker run, ${network}`,
      slow: true,
      run: async () => timed(() => spawn(daemon.client, run(network))),
    };
    if (failed === null) found.peers.push(peer);
    else found.missing.push(`docker run, ${network}: ${failed}`);
  }
  return found;
}
