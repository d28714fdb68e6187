// What the virtual machine of `npm run test:vm` boots: Debian's cloud kernel, a first userland, a root disk (each made once and
// kept in the cache), and a disk with the checkout as built.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const cacheRoot = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "podium-vm");

const release = "bookworm";
/** What the tests need inside. */
const guestPackages = [
  "bubblewrap",
  "busybox-static",
  "dbus",
  "gcc",
  "iproute2",
  "kmod",
  "libc6-dev",
  "libseccomp2",
  "nftables",
  "openssl",
  "procps",
  "python3",
  "strace",
  "systemd",
];
/** Modules that the first userland needs to find its disk. */
const bootModules = ["virtio_pci", "virtio_blk", "ext4"];
/** Only for building: nothing inside imports them. */
const buildOnly =
  /^(@biomejs|@esbuild|esbuild|@typescript|typescript|@types|knip|ts-proto.*|@bufbuild\/buf.*|@oxc.*|@rolldown)$/;

/** The same files as outside, on v2 and on another kernel: all that is about limits, doctor, and a smoke set of the rest. */
const sameFiles = [
  "integration/sandbox-limits",
  "integration/limits-cases",
  "integration/io-limit",
  "integration/cgroup-block-device",
  "integration/further-limits",
  "integration/stats",
  "integration/update",
  "integration/server-refusals",
  "integration/doctor",
  "security/cgroups",
].map((name) => `test/${name}.test.ts`);
/** Tests that run inside. Emulated, everything takes ten times as long, and all of it has eighteen minutes: `requires("swift")`. */
const systemdFile = "test/vm/systemd.test.ts";
const guestFiles = [...testFilesOf("vm").filter((file) => file !== systemdFile), ...sameFiles];
/** Of the kernel's command line: how many times longer everything may take (test/support/slowness.ts). */
export const slownessOption = "podium.slowness";
/** Said by the guest when all of its tests have ended. */
export const lastWord = "guest: done";

function testFilesOf(suite) {
  const folder = join(root, "test", suite);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/${suite}/${name}`);
}

function run(command, args, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    ...options,
  });
  if (error !== undefined)
    throw new Error(`${command} does not run: ${error.message}; node scripts/setup.mjs --tests installs it`);
  if (status !== 0)
    throw new Error(
      `${command} ${args.join(" ")} ended with ${status}: ${stderr?.trim().split("\n").slice(-3).join(" | ")}`,
    );
  return stdout ?? "";
}

/** Makes `path` with `make(temporary)` unless it is there; an interrupted make leaves nothing that looks done. */
function cached(path, make) {
  if (existsSync(path)) return path;
  const temporary = `${path}.making`;
  rmSync(temporary, { recursive: true, force: true });
  make(temporary);
  renameSync(temporary, path);
  return path;
}

export function say(text) {
  process.stdout.write(`vm: ${text}\n`);
}

function kernelPackage() {
  const depends = run("apt-cache", ["depends", "linux-image-cloud-amd64"]);
  const name = /Depends: (linux-image-\S+-cloud-amd64)/.exec(depends)?.[1];
  if (name === undefined) throw new Error("apt-cache knows no linux-image-cloud-amd64; apt-get update may mend that");
  return name;
}

/** The kernel's files, unpacked: vmlinuz and modules with their dependencies. */
function kernel(cache) {
  const name = kernelPackage();
  const folder = cached(join(cache, name), (temporary) => {
    say(`fetching ${name}`);
    mkdirSync(temporary, { recursive: true });
    run("apt-get", ["download", "-q", "-o", "Acquire::Retries=5", name], { cwd: temporary });
    const deb = readdirSync(temporary).find((file) => file.endsWith(".deb"));
    run("dpkg", ["-x", join(temporary, deb), temporary]);
    rmSync(join(temporary, deb));
    run("depmod", ["-b", temporary, name.replace("linux-image-", "")]);
  });
  return { folder, version: name.replace("linux-image-", "") };
}

/** A first userland of one busybox that loads the disk's modules and goes over to the disk. */
function initramfs(cache, { folder, version }) {
  return cached(join(cache, `initramfs-${version}`), (temporary) => {
    const tree = mkdtempSync(join(tmpdir(), "podium-initramfs-"));
    for (const name of ["bin", "modules", "proc", "sys", "dev", "root"]) mkdirSync(join(tree, name));
    cpSync("/bin/busybox", join(tree, "bin/busybox"));
    const modules = bootModules.flatMap((module) => moduleFiles(folder, version, module));
    const inOrder = [...new Set(modules)];
    for (const file of inOrder) cpSync(file, join(tree, "modules", basename(file)));
    const lines = [
      "#!/bin/busybox sh",
      "/bin/busybox mount -t proc proc /proc; /bin/busybox mount -t sysfs sys /sys; /bin/busybox mount -t devtmpfs dev /dev",
      ...inOrder.map((file) => `/bin/busybox insmod /modules/${basename(file)}`),
      "while [ ! -b /dev/vdb ]; do /bin/busybox usleep 20000; done",
      "/bin/busybox mount -t ext4 /dev/vda /root && exec /bin/busybox switch_root /root /sbin/podium-guest",
    ];
    writeFileSync(join(tree, "init"), `${lines.join("\n")}\n`, { mode: 0o755 });
    run("sh", ["-c", `cd '${tree}' && find . | cpio -o -H newc --quiet | gzip -1 > '${temporary}'`]);
    rmSync(tree, { recursive: true });
  });
}

function moduleFiles(folder, version, module) {
  const shown = run("modprobe", ["-d", folder, "-S", version, "--show-depends", module]);
  return shown.split("\n").flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []);
}

/** What pid 1 of the guest does: mounts, the tests with their output on the second serial line, power off. */
function guestScript(files) {
  return `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc; mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts; mount -t tmpfs shm /dev/shm; mount -t tmpfs run /run
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
mount -o remount,rw /
hostname podium-guest; ip link set lo up; modprobe loop
mkswap -q /dev/vdc && swapon /dev/vdc
stty -F /dev/ttyS1 raw -echo
mkdir /sys/fs/cgroup/tests; echo $$ > /sys/fs/cgroup/tests/cgroup.procs
exec > /dev/ttyS1 2>&1 < /dev/null
echo "kernel $(uname -r), cgroup v2 with: $(cat /sys/fs/cgroup/cgroup.controllers)"
cd /podium && ${runner(files)}
echo "guest: ended with $?; systemd takes over"
printf '[Unit]\\nDefaultDependencies=no\\nWants=dbus.socket\\nAfter=dbus.socket\\n[Service]\\nType=oneshot\\nExecStart=/bin/sh /podium/systemd.sh\\n' \\
  > /etc/systemd/system/podium-guest.service
echo $$ > /sys/fs/cgroup/cgroup.procs
exec /lib/systemd/systemd --unit=podium-guest.service
`;
}

/** What it does once systemd is pid 1. */
function systemdScript() {
  return `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
exec > /dev/ttyS1 2>&1 < /dev/null
cd /podium && ${runner([systemdFile])}
echo "${lastWord}"
sync
exec busybox poweroff -f
`;
}

function runner(files) {
  const args = files.flatMap((file) => ["--file", file]).join(" ");
  return `TEST_SLOWNESS=$(sed -n 's/.*${slownessOption}=\\([0-9]*\\).*/\\1/p' /proc/cmdline) node --enable-source-maps build/test/support/runner/main.js ${args}`;
}

/** What the root disk itself knows: where the checkout's disk is. */
const firstScript = `#!/bin/sh
mount -t devtmpfs dev /dev
mount -t ext4 /dev/vdb /podium
exec sh /podium/guest.sh
`;

/** Debian with Node, as an ext4 disk. Made without mounting anything. */
function rootDisk(cache, kernelFiles) {
  const recipe = createHash("sha256")
    .update(JSON.stringify([release, guestPackages, process.version, kernelFiles.version, firstScript]))
    .digest("hex")
    .slice(0, 12);
  return cached(join(cache, `root-${recipe}.ext4`), (temporary) => {
    say("making the root disk (once)");
    const tree = mkdtempSync(join(tmpdir(), "podium-root-"));
    try {
      run("debootstrap", ["--variant=minbase", `--include=${guestPackages.join(",")}`, release, tree]);
      cpSync(process.execPath, join(tree, "usr/local/bin/node"));
      cpSync(join(kernelFiles.folder, "lib/modules"), join(tree, "lib/modules"), { recursive: true });
      mkdirSync(join(tree, "podium"));
      // The guest's script changes with the tests; the disk only knows where to find it.
      writeFileSync(join(tree, "sbin/podium-guest"), firstScript, { mode: 0o755 });
      rmSync(join(tree, "var/cache/apt"), { recursive: true, force: true });
      run("mke2fs", ["-q", "-t", "ext4", "-d", tree, "-L", "podium", temporary, "2G"]);
    } finally {
      rmSync(tree, { recursive: true, force: true });
    }
  });
}

/** Some swap, so that it can be seen that jobs get none of it. */
function swapDisk(folder) {
  const disk = join(folder, "swap");
  run("truncate", ["-s", "128M", disk]);
  return disk;
}

/** The checkout as built, with the packages that running and testing need, to run these files. */
function checkoutDisk(folder, files) {
  const tree = join(folder, "checkout");
  mkdirSync(tree);
  for (const name of ["build", "dist", "test", "scripts", "docs", "proto", "package.json"]) {
    cpSync(join(root, name), join(tree, name), { recursive: true });
  }
  const modules = join(root, "node_modules");
  cpSync(modules, join(tree, "node_modules"), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !buildOnly.test(source.slice(modules.length + 1)),
  });
  writeFileSync(join(tree, "guest.sh"), guestScript(files.filter((file) => file !== systemdFile)));
  writeFileSync(join(tree, "systemd.sh"), systemdScript());
  const disk = join(folder, "checkout.ext4");
  run("mke2fs", ["-q", "-t", "ext4", "-d", tree, disk, "1G"]);
  return disk;
}

/** Everything to boot with; `folder` gets the checkout's disk. `files`: those tests alone; none: all of them. */
export function prepareMachine(folder, files) {
  const cache = join(cacheRoot, release);
  mkdirSync(cache, { recursive: true });
  const kernelFiles = kernel(cache);
  return {
    kernelFiles,
    initrd: initramfs(cache, kernelFiles),
    rootImage: rootDisk(cache, kernelFiles),
    checkout: checkoutDisk(folder, files.length > 0 ? files : guestFiles),
    swap: swapDisk(folder),
  };
}
