// `npm run test:vm`: runs tests in a virtual machine with Debian's cloud kernel and every cgroup controller on v2, in qemu
// (KVM where it answers, else software emulation). The root disk is made once and kept in the cache; the checkout travels on
// a disk of its own. Ends with the guest's own result line; a hang ends with the tail of the console. `node scripts/vm.mjs
// FILE.test.ts...` runs those files (built already), and the systemd part.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lastWord, prepareMachine, say, slownessOption } from "./vm-disks.mjs";

const guestMemory = "3072M";
const deadlineMs = 18 * 60_000;
/** A guest on a KVM that works speaks within seconds. */
const kvmFirstWordMs = 15_000;
/** How many times longer everything may take in software emulation. The deadlines of all tests follow from it. */
const emulatedSlowness = 5;
const consoleTailLines = 40;

/** /dev/kvm may be there and not work, also only once a guest runs on it: `runs` says whether it came to its first word. */
async function boot(machine) {
  const { status } = spawnSync(
    "qemu-system-x86_64",
    ["-machine", "none,accel=kvm", "-nodefaults", "-display", "none", "-monitor", "stdio"],
    {
      input: "quit\n",
      timeout: 10_000,
    },
  );
  if (status === 0 && (await runGuest(machine, "kvm", kvmFirstWordMs))) return;
  await runGuest(machine, "tcg,thread=multi", deadlineMs);
}

/** Runs the guest to its end, at most until the deadline; false when it did not say its first word in time. */
function runGuest({ kernelFiles, initrd, rootImage, checkout, swap, console, results }, accel, firstWordMs) {
  say(`booting ${kernelFiles.version} (${accel})`);
  const drive = (file) => ["-drive", `file=${file},format=raw,if=virtio,snapshot=on`];
  const args = [
    ...[
      "-machine",
      "q35",
      "-accel",
      accel,
      "-smp",
      "2",
      "-m",
      guestMemory,
      "-nodefaults",
      "-display",
      "none",
      "-no-reboot",
    ],
    ...(accel === "kvm" ? ["-cpu", "host"] : ["-cpu", "max"]),
    ...["-kernel", join(kernelFiles.folder, "boot", `vmlinuz-${kernelFiles.version}`), "-initrd", initrd],
    ...[
      "-append",
      `console=ttyS0 panic=-1 quiet loglevel=4 ${slownessOption}=${accel === "kvm" ? 1 : emulatedSlowness}`,
    ],
    ...drive(rootImage),
    ...drive(checkout),
    ...drive(swap),
    ...["-serial", `file:${console}`, "-serial", `file:${results}`],
  ];
  // It never outlives this process, however that ends.
  const qemu = spawn("setpriv", ["--pdeathsig", "KILL", "qemu-system-x86_64", ...args], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const stop = () => qemu.kill("SIGKILL");
  const timers = [setTimeout(stop, deadlineMs), setTimeout(() => textOf(results) === "" && stop(), firstWordMs)];
  return new Promise((resolve, reject) => {
    qemu.once("error", reject);
    qemu.once("exit", () => {
      for (const timer of timers) clearTimeout(timer);
      resolve(textOf(results) !== "");
    });
  });
}

function textOf(file) {
  return existsSync(file) ? readFileSync(file, "utf8").replaceAll("\r", "") : "";
}

/** What the runs inside say of tests that the emulated machine is too slow for. The host runs the same files, so they are not skipped. */
const leftToHost = /^ *skipped: .*: requires swift: /gm;

/** Counts of all runs inside; none when the guest never came to its end. */
function countsIn(text) {
  if (!text.includes(lastWord)) return null;
  const found = [...text.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)];
  const sum = (i) => found.reduce((total, match) => total + Number(match[i] ?? 0), 0);
  const left = text.match(leftToHost)?.length ?? 0;
  if (left > 0) say(`${left} tests of these files run on the host alone`);
  return { passed: sum(1), failed: sum(2), skipped: sum(3) - left };
}

/** Boots, runs, shows the guest's output; the counts, or one failure that says what the console last said. */
export async function runInVm(files = []) {
  const folder = mkdtempSync(join(tmpdir(), "podium-vm-"));
  try {
    const machine = prepareMachine(folder, files);
    const [console, results] = [join(folder, "console.log"), join(folder, "results.log")];
    await boot({ ...machine, console, results });
    const said = textOf(results);
    process.stdout.write(said.replace(/^/gm, "  "));
    process.stdout.write("\n");
    const counts = countsIn(said);
    if (counts !== null) return counts;
    const tail = textOf(console).split("\n").slice(-consoleTailLines).join("\n");
    say(`the guest gave no result within ${deadlineMs / 60_000} minutes; its console ends with:\n${tail}`);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { passed, failed, skipped } = await runInVm(process.argv.slice(2));
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}
