// Runs as a program of its own: for each byte on stdin one round, its milliseconds as a line on stdout. Synchronous and
// without threads: a process that has unshared its pid namespace can make none.
import { closeSync, mkdirSync, openSync, readSync, symlinkSync, writeSync } from "node:fs";
import { built } from "./built.mjs";
import { measuredProgram, plainSpawn } from "./programs.mjs";

const m = await built("sandbox/sys/mounts.js");
const n = await built("sandbox/sys/namespaces.js");
const spawn = await plainSpawn();
const [, , root] = process.argv;
const kinds = {
  mnt: n.CLONE_NEWNS,
  pid: n.CLONE_NEWPID,
  uts: n.CLONE_NEWUTS,
  ipc: n.CLONE_NEWIPC,
  net: n.CLONE_NEWNET,
};
const all = Object.values(kinds).reduce((flags, kind) => flags | kind, 0);
const own = Object.entries(kinds).map(([name, kind]) => {
  const file = name === "pid" ? "pid_for_children" : name;
  return { kind, fd: openSync(`/proc/self/ns/${file}`, "r") };
});
const { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY } = m;

/** A private root of 12 mounts, as small as one that programs run in can be. */
function buildRoot() {
  m.makeTreePrivate();
  m.mountFilesystem("tmpfs", root, MS_NOSUID | MS_NODEV, "size=1m,mode=755");
  process.chdir(root);
  for (const folder of ["usr", "proc", "dev", "tmp", "etc"]) mkdirSync(folder);
  m.mountBind("/usr", "usr");
  m.remountBind("usr", MS_RDONLY | MS_NOSUID | MS_NODEV);
  for (const name of ["bin", "lib", "lib64", "sbin"]) symlinkSync(`usr/${name}`, name);
  m.mountFilesystem("proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  m.mountFilesystem("tmpfs", "dev", MS_NOSUID, "size=64k,mode=755");
  for (const name of ["null", "zero", "urandom"]) {
    closeSync(openSync(`dev/${name}`, "w"));
    m.mountBind(`/dev/${name}`, `dev/${name}`);
  }
  m.mountFilesystem("tmpfs", "tmp", MS_NOSUID | MS_NODEV, "size=64m,mode=1777");
  m.pivotRootHere();
  m.detachMount(".");
  process.chdir("/");
}

function round() {
  const from = performance.now();
  n.unshare(all);
  buildRoot();
  spawn(measuredProgram, []);
  for (const { fd, kind } of own) n.setns(fd, kind); // the root goes with its mount namespace
  return performance.now() - from;
}

const asked = Buffer.alloc(1);
while (readSync(0, asked) === 1) writeSync(1, `${round()}\n`);
