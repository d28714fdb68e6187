// `npm test`: set-up, static checks, then the runner. `node scripts/test.mjs [SUITE | FILE.test.ts]...` runs only those.
// The last line on stdout is always `N passed, N failed` (`, N skipped`); nothing may follow it.
import { spawnSync } from "node:child_process";
import { existsSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const suites = ["unit", "property", "integration", "security", "recovery", "vm"];

/** True when the command ended with 0; what it says goes to stdout, above the results. */
function succeeds(command, args) {
  const { error, status } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (error !== undefined) process.stdout.write(`${command} does not run: ${error.message}\n`);
  return status === 0;
}

function installed(program) {
  return join(root, "node_modules/.bin", program);
}

/** The checks of a whole run, beside the build. */
function staticChecks() {
  const checks = [
    ["lint and format", succeeds(installed("biome"), ["ci", "--colors=off", "--error-on-warnings"])],
    ["unused files, exports and dependencies", succeeds(installed("knip"), ["--no-progress"])],
  ];
  if (existsSync(join(root, "src/gen"))) {
    checks.push(["generated code is current", succeeds(process.execPath, ["scripts/gen.mjs", "--check"])]);
  }
  return checks;
}

async function buildChecks() {
  // Imported late: the set-up may just have installed what the build imports.
  const { bundle, compile } = await import("./build.mjs");
  return [
    ["type check", await compile()],
    ["bundles", await bundle()],
  ];
}

/** Suite vm needs cgroup v2 with every controller: it runs in a virtual machine, and its counts are added to the host's. */
async function countInVm() {
  process.stdout.write("\nvm\n");
  const { runInVm } = await import("./vm.mjs");
  const { passed, failed, skipped } = await runInVm();
  return `vm=${passed},${failed},${skipped}`;
}

const tmpfsMagic = 0x01021994;

/** Limits on disk traffic are tested on a disk, which /var/tmp has where /tmp is memory (statfs(2)). */
function scratchFolder() {
  return statfsSync(tmpdir()).type === tmpfsMagic ? "/var/tmp" : tmpdir();
}

async function main(wanted) {
  const files = wanted.filter((name) => name.endsWith(".test.ts"));
  const chosen = wanted.filter((name) => !name.endsWith(".test.ts"));
  const whole = wanted.length === 0;
  setup({ tests: true });
  // A single file is run while others of the checkout are being written: their type errors are shown, not counted.
  const built = await buildChecks();
  const checks = [...(files.length > 0 && chosen.length === 0 ? [] : built), ...(whole ? staticChecks() : [])];
  const args = checks.flatMap(([name, passed]) => [passed ? "--passed-check" : "--failed-check", name]);
  if (whole) args.push("--cases");
  const wantedSuites = whole ? suites : chosen;
  if (wantedSuites.includes("vm")) args.push("--counted", await countInVm());
  args.push(...files.flatMap((file) => ["--file", file]), ...wantedSuites.filter((suite) => suite !== "vm"));
  const runner = join(root, "build/test/support/runner/main.js");
  const { status, signal } = spawnSync(process.execPath, ["--enable-source-maps", runner, ...args], {
    stdio: "inherit",
    env: { ...process.env, TMPDIR: scratchFolder() },
  });
  if (status === null) throw new Error(`the runner was ended by ${signal}`);
  process.exitCode = status;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stdout.write(`${error.message}\n0 passed, 1 failed\n`);
  process.exitCode = 1;
}
