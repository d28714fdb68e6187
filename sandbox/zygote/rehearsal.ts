// What a fork costs depends on what the parent has done before. Before its jobs come, the zygote goes through what init and
// the command will do, so that V8 has compiled it and made its inline caches once, not in each child (docs/performance.md).
// It is the real code in namespaces of its own, which are left for good at the end of each round. What has no way back is
// not rehearsed: the job's user, capabilities, limits, the filter, and the killing of everybody.
import { mkdirSync, openSync, writeFileSync } from "node:fs";
import { createGroup } from "../cgroup/create.ts";
import type { Group } from "../cgroup/group.ts";
import { usualIdRanges } from "../id-ranges.ts";
import { ControlSocket } from "../init/control.ts";
import { Deadlines } from "../init/deadlines.ts";
import { type End, exitRecord } from "../init/outcome.ts";
import { type Outputs, outputsOf } from "../init/outputs.ts";
import { prepareRecord, writeRecord } from "../init/record.ts";
import { PipeSource } from "../init/source.ts";
import type { Context } from "../setup/context.ts";
import { makeNamespaces, nameHost } from "../setup/namespaces.ts";
import { findProgram } from "../setup/program.ts";
import { buildRoot, closeRoot, enterRoot, furnishRoot } from "../setup/root.ts";
import type { SandboxSpec } from "../spec.ts";
import { close, O_DIRECTORY, O_PATH, open, pipe } from "../sys/descriptors.ts";
import { MS_NODEV, MS_NOSUID, mountFilesystem } from "../sys/mounts.ts";
import { CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS, setns } from "../sys/namespaces.ts";
import { PollSet } from "../sys/poll.ts";
import type { ConfigureMessage } from "./protocol.ts";

/** After about as many calls V8 no longer changes what it knows of a function. */
export const rehearsals = 10;

const kinds = { mnt: CLONE_NEWNS, uts: CLONE_NEWUTS, ipc: CLONE_NEWIPC, net: CLONE_NEWNET, cgroup: CLONE_NEWCGROUP };

/** Through JSON, as requests come: V8 tells objects apart by how they were made. */
const spec: SandboxSpec = JSON.parse(`{
  "argv": ["true"], "env": { "PATH": "/usr/bin:/bin" }, "cwd": "/", "hostname": "rehearsal", "user": { "uid": 0, "gid": 0 }, "capabilities": [],
  "rootfs": null, "grants": [], "tmpfs": [], "network": { "kind": "none" },
  "limits": { "cpus": 0, "memoryBytes": 0, "ioBytesPerSecond": 0, "pids": 512 },
  "timeoutMs": 0, "output": { "bytes": 1073741824, "kill": false }, "seccomp": [], "callNames": [], "stdin": "null", "terminal": null
}`);

/** One round. False when something failed: it will fail at Start too, and be told there with the name of its step. */
export function rehearse({ cgroup, stage }: ConfigureMessage): boolean {
  const own = Object.entries(kinds).map(([name, kind]) => ({ kind, fd: openSync(`/proc/self/ns/${name}`, "r") }));
  let group: Group | null = null;
  try {
    group = createGroup(cgroup, { name: `rehearsal-${process.pid}`, limits: spec.limits, disks: [] });
    const stdio = { in: -1, out: -1, err: -1 };
    const init = { pid: process.pid, network: -1 };
    const parts = { spec, group, userNamespace: -1, hostProc: -1, idBase: usualIdRanges.first };
    const context: Context = { ...parts, stage, init, stdio };
    makeNamespaces("own");
    mountFilesystem("tmpfs", stage, MS_NOSUID | MS_NODEV, "mode=700");
    rehearseInit(group, `${stage}/job`);
    rehearseRoot(context);
    return true;
  } catch {
    return false;
  } finally {
    for (const { kind, fd } of own) {
      setns(fd, kind); // for mnt it also brings the host's root and current directory back; a failure ends the zygote
      close(fd);
    }
    group?.remove();
  }
}

function rehearseRoot(context: Context): void {
  buildRoot(context, null);
  enterRoot();
  nameHost(context);
  furnishRoot(context);
  closeRoot(context);
  findProgram("true", spec.env.PATH);
  findProgram("/usr/bin/env", spec.env.PATH);
}

function rehearseInit(group: Group, folder: string): void {
  mkdirSync(folder);
  for (const stream of ["stdout", "stderr"]) writeFileSync(`${folder}/${stream}`, "");
  const record = prepareRecord(folder);
  const directory = open(folder, O_PATH | O_DIRECTORY);
  const control = new ControlSocket(directory);
  close(directory);
  const ends = [pipe(), pipe()] as const;
  for (const { write } of ends) close(write);
  const outputs = outputsOf(
    folder,
    spec.output,
    ends.map(({ read }) => new PipeSource(read)),
  );
  watchOnce(control, outputs);
  control.close();
  const usage = { ...group.usage(), memoryBytes: 0, pids: 0 };
  const times = { startedAtMs: Date.now(), finishedAtMs: Date.now() };
  const end: End = {
    status: 0,
    failure: null,
    ending: null,
    outputFailure: "",
    forbiddenCall: "",
    oomKills: group.oomKills(),
    ...times,
    usage,
  };
  writeRecord(record, exitRecord(spec, end));
}

function watchOnce(control: ControlSocket, outputs: Outputs): void {
  const set = new PollSet();
  const deadlines = new Deadlines(0);
  control.watch(set);
  outputs.watch(set);
  deadlines.untilNextMs();
  set.wait(0);
  control.advance(set, true, () => "on");
  outputs.advance(set);
  deadlines.oomDue();
  deadlines.killDue();
  deadlines.timeoutDue();
  outputs.drain(set, -1);
}
