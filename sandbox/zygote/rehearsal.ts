// What a fork costs depends on what the parent has done before. Before its jobs come, the zygote goes through whole jobs of its
// own, so that V8 has compiled everything, made its inline caches and its regular expressions once, not in each init
// (docs/performance.md). It is the real code in a child that shares the zygote's memory, pid 1 of a pid namespace of its own.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { encodeJson } from "../frames.ts";
import { type InitContext, runReadyInit } from "../init/main.ts";
import type { ExitRecord, SandboxSpec } from "../spec.ts";
import { O_RDWR, open, write } from "../sys/descriptors.ts";
import { MS_NODEV, MS_NOSUID, mountFilesystem } from "../sys/mounts.ts";
import { CLONE_NEWNS, CLONE_NEWPID, unshare } from "../sys/namespaces.ts";
import { ownPid, waitFor } from "../sys/process.ts";
import { socketPair } from "../sys/socketpair.ts";
import { spawn } from "../sys/vfork.ts";
import { type ConfigureMessage, MessageType, type StartMessage, usualFilter } from "./protocol.ts";
import { closeUserNamespace, makeJobNamespace, type UserNamespace } from "./user-namespaces.ts";

/** After about as many calls V8 no longer changes what it knows of a function. */
export const rehearsals = 10;

const name = `rehearsal-${process.pid}`;

/** Through JSON, as requests come: V8 tells objects apart by how they were made. */
const spec: SandboxSpec = JSON.parse(`{
  "argv": ["true"], "env": { "PATH": "/usr/bin:/bin" }, "cwd": "/", "hostname": "rehearsal", "user": { "uid": 0, "gid": 0 }, "capabilities": [],
  "rootfs": null, "grants": [], "tmpfs": [], "network": { "kind": "none" },
  "limits": { "cpus": 0, "memoryBytes": 0, "ioBytesPerSecond": 0, "pids": 512 },
  "timeoutMs": 0, "output": { "bytes": 1073741824, "kill": false }, "seccomp": [], "callNames": [], "stdin": "null", "terminal": null
}`);

/** One round. False when something failed: it will fail at Start too, and be told there with the name of its step. */
export function rehearse(configuration: ConfigureMessage): boolean {
  let userNamespace: UserNamespace | null = null;
  let sound = false;
  try {
    const { cgroup, stage, idLocks, ids } = configuration;
    const mine = makeJobNamespace(idLocks, ids);
    userNamespace = mine;
    const { pid } = spawn(() => {
      const server = open("/dev/null", O_RDWR); // what init tells
      sound = runJob({ cgroup, stage, server, userNamespace: mine }, specFor(configuration));
      return null;
    }, CLONE_NEWPID);
    waitFor(pid);
    return sound;
  } catch {
    return false;
  } finally {
    if (userNamespace !== null) closeUserNamespace(userNamespace);
  }
}

function specFor({ usualFilter: program }: ConfigureMessage): SandboxSpec {
  return { ...spec, seccomp: program === undefined ? [] : [usualFilter] };
}

/** Its job folder is on a file system that goes with its mount namespace. */
function runJob(context: InitContext, spec: SandboxSpec): boolean {
  if (ownPid() !== 1)
    throw new Error("a rehearsal outside of a pid namespace of its own would end other people's processes");
  unshare(CLONE_NEWNS);
  mountFilesystem("tmpfs", context.stage, MS_NOSUID | MS_NODEV, "mode=700");
  const folder = `${context.stage}/job`;
  mkdirSync(folder);
  for (const stream of ["stdout", "stderr"]) writeFileSync(`${folder}/${stream}`, "");
  const [zygote, socket] = socketPair();
  const start: StartMessage = { job: name, folder, spec, disks: [], bound: false };
  write(zygote, encodeJson(MessageType.start, start));
  if (runReadyInit(context, { name, socket, network: "own" }) !== 0) return false;
  const { cause } = JSON.parse(readFileSync(`${folder}/exit.json`, "utf8")) as ExitRecord;
  return cause === "EXITED";
}
