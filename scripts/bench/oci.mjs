// runc and crun, each with a bundle of its own: the runtime spec's default, with the measured program and its libraries.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { install, measuredProgram, pathOf, reasonOf, timed } from "./programs.mjs";

/** A root with the program and what it is linked to. */
export function makeRoot(rootfs) {
  mkdirSync(join(rootfs, "usr/bin"), { recursive: true });
  cpSync(measuredProgram, join(rootfs, measuredProgram));
  const libraries = spawnSync("ldd", [measuredProgram], { encoding: "utf8" }).stdout.match(/\/\S+(?= \()/g) ?? [];
  for (const library of libraries) cpSync(library, join(rootfs, library), { recursive: true, dereference: true });
}

function bundleFor(runtime, bundle) {
  makeRoot(join(bundle, "rootfs"));
  spawnSync(runtime, ["spec"], { cwd: bundle });
  const file = join(bundle, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  config.process.terminal = false;
  config.process.args = [measuredProgram];
  writeFileSync(file, JSON.stringify(config));
  return bundle;
}

export function ociRuntime(name, spawn, folder) {
  install(name);
  const runtime = pathOf(name);
  if (runtime === null) return { missing: `${name}: not installed (apt-get install ${name})` };
  const bundle = bundleFor(runtime, join(folder, name));
  let last = 0;
  const command = () => ["run", "--bundle", bundle, `bench-${process.pid}-${++last}`];
  const reason = reasonOf(runtime, command());
  if (reason !== null) return { missing: `${name}: ${runtime} does not run on this host: ${reason}` };
  const run = async () => timed(() => spawn(runtime, command()));
  return { peers: [{ name: `${name} run`, slow: true, run }] };
}
