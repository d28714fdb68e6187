// Starting other programs: where they are, and installing Debian's own package of one.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { built } from "./built.mjs";

export const measuredProgram = "/usr/bin/true";

export function pathOf(name, folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin"]) {
  return folders.map((folder) => join(folder, name)).find(existsSync) ?? null;
}

/** Debian's own package, when the program is not there. */
export function install(name, program = name) {
  if (pathOf(program) !== null || pathOf("apt-get") === null) return;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["install", "-y", "--no-install-recommends", name], { env, stdio: "ignore", timeout: 120_000 });
}

/** posix_spawn(3) and waitpid(2) from this process: glibc's vfork, the cheapest way there is from a large process. */
export async function plainSpawn() {
  const { libc } = await built("sandbox/sys/ffi.js");
  const { exitOf, waitFor } = await built("sandbox/sys/process.js");
  const spawn = libc("int posix_spawn(uint8_t*, const char*, void*, void*, const char**, const char**)");
  const pid = Buffer.alloc(4);
  return (path, args) => {
    const failed = spawn(pid, path, null, null, [path, ...args, null], ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", null]);
    if (failed !== 0) throw new Error(`${path} does not start (errno ${failed})`);
    const status = waitFor(pid.readInt32LE(0));
    if (status !== 0) throw new Error(`${path} ended with exit code ${exitOf(status) ?? "none"}`);
  };
}

/** null: it ran; else what it said, in one line. */
export function reasonOf(path, args, options = {}) {
  const { status, signal, stderr, error } = spawnSync(path, args, { timeout: 60_000, ...options, encoding: "utf8" });
  if (status === 0) return null;
  const said = (stderr ?? "").trim().split("\n").at(-1) ?? "";
  return `${error?.message ?? (signal === null ? `exit code ${status}` : signal)}${said === "" ? "" : `: ${said}`}`;
}

export function timed(body) {
  const from = performance.now();
  body();
  return { total: performance.now() - from };
}
