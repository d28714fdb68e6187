// Installs what is missing: node_modules from the lock file, and Debian packages. It runs on a bare checkout, so it
// imports nothing but Node itself. `node scripts/setup.mjs` is enough to run podium; `--tests` adds what its tests need.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Debian packages that podium itself uses at run time. */
const productPackages = ["libseccomp2", "iproute2", "nftables"];

/** Debian packages that only the tests use. */
const testPackages = [
  "bubblewrap",
  "busybox-static",
  "cpio",
  "debootstrap",
  "e2fsprogs",
  "gcc",
  "iputils-ping",
  "kmod",
  "less",
  "libc6-dev",
  "openssl",
  "perl",
  "procps",
  "python3",
  "qemu-system-x86",
  "strace",
  "tmux",
  "util-linux",
  "vim-tiny",
  "xz-utils",
];

/** What went wrong and, on a second line, the mend. */
function fail(problem, mend) {
  throw new Error(`setup: ${problem}\n${mend}`);
}

/** Runs a command with its output on stderr, so that stdout stays the caller's. */
function run(command, args, mend) {
  const { error, status } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", process.stderr, process.stderr],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (error !== undefined) fail(`${command} does not run: ${error.message}`, mend);
  if (status !== 0) fail(`${command} ${args.join(" ")} ended with ${status}`, mend);
}

function isInstalled(name) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the format is dpkg-query's.
  const query = ["-W", "-f", "${db:Status-Status}", name];
  const { error, stdout } = spawnSync("dpkg-query", query, { encoding: "utf8" });
  if (error !== undefined) {
    fail("dpkg-query does not run: only Debian and Ubuntu are supported", `By hand: install what ${name} holds here.`);
  }
  return stdout === "installed";
}

function installPackages(names) {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const command = `apt-get install --no-install-recommends ${missing.join(" ")}`;
  if (process.getuid() !== 0) fail(`these packages are missing: ${missing.join(", ")}`, `As root: ${command}`);
  process.stderr.write(`setup: installing ${missing.join(", ")}\n`);
  const patient = ["-o", "Acquire::Retries=5"];
  run("apt-get", ["update", "-q", ...patient], "Check the sources in /etc/apt and the network, then try again.");
  run("apt-get", ["install", "-qy", "--no-install-recommends", ...patient, ...missing], `By hand: ${command}`);
}

/** npm writes node_modules/.package-lock.json last, so its time says when the folder was complete. */
function modulesAreCurrent() {
  const installed = join(root, "node_modules/.package-lock.json");
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
}

/** Throws one sentence and its mend when it cannot be done. */
export function setup({ tests }) {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node ${process.versions.node} is too old`, "Install Node 20.19 or later.");
  }
  if (!modulesAreCurrent()) {
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], "Check the network, then try again.");
  }
  installPackages(tests ? [...productPackages, ...testPackages] : productPackages);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    setup({ tests: process.argv.includes("--tests") });
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
