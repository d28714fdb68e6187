// podium itself, as the bench drives it: a zygote alone, and a server on loopback with one client over mutual TLS.
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { built } from "./built.mjs";

const program = "/usr/bin/true";

/** A zygote as the server has it, driven directly: request sent, command exec'd, init reaped. */
export async function zygote(parent) {
  const folder = mkdtempSync(join(parent, "zygote-"));
  const { findPlacement } = await built("sandbox/cgroup/find-placement.js");
  const { preparePlacement, removePlacement } = await built("sandbox/cgroup/placement.js");
  const { specOf } = await built("sandbox/request.js");
  const { seccompFilters, usualFilter } = await built("sandbox/seccomp/programs.js");
  const { makeReadyFolder } = await built("src/jobs/disk/tasks.js");
  const { ZygoteClient } = await built("sandbox/zygote/client.js");
  const cgroup = findPlacement(Buffer.from(folder.slice(-6)).toString("hex"));
  const filters = seccompFilters({ kind: "default" }, { capabilities: [], writableGrants: false });
  const spec = specOf({ argv: [program] }, { defaultHostname: "bench", network: { kind: "none" }, ...filters });
  preparePlacement(cgroup);
  const stage = join(folder, "stage");
  mkdirSync(stage);
  const ready = { rehearse: true, readyJobs: 32, ...usualFilter() };
  const client = await ZygoteClient.spawn({ cgroup, stage, idLocks: "/run/podium/ids", ...ready });
  let last = 0;
  const run = async (begins = () => {}) => {
    const job = String(++last);
    const jobFolder = join(folder, job);
    makeReadyFolder(jobFolder);
    begins();
    const from = performance.now();
    const gone = new Promise((resolve) => client.once("gone", resolve));
    await client.start({ job, folder: jobFolder, spec, disks: [], bound: false });
    const answered = performance.now() - from;
    await gone;
    const total = performance.now() - from;
    checkRecord(jobFolder);
    return { answered, total };
  };
  const close = async () => {
    await client.close();
    removePlacement(cgroup);
  };
  return { name: "zygote, start to reaped", pid: client.pid, run, close };
}

function checkRecord(folder) {
  const { cause, exitCode, message } = JSON.parse(readFileSync(join(folder, "exit.json"), "utf8"));
  if (cause !== "EXITED" || exitCode !== 0) throw new Error(`the measured job failed: ${message}`);
}

/** A real `podium serve`, one client, and what one does with them. */
export async function server() {
  const { TestServer } = await built("test/support/server.js");
  const { StartRequest } = await built("src/gen/podium.js");
  const { HealthService } = await built("src/gen/health.js");
  const { startJob } = await built("src/client/start.js");
  const { waitForJob } = await built("src/client/jobs.js");
  const { runJob } = await built("src/client/run-job.js");
  const { unary } = await built("src/client/call.js");
  const host = await TestServer.start({ config: { logLevel: "silent" } });
  const podium = host.connect("bench");
  const start = (argv, rest = {}) => startJob(podium, StartRequest.create({ argv, ...rest }));
  const wait = (id) => waitForJob(podium, id);
  const run = async () => {
    const from = performance.now();
    const id = await start([program]);
    const answered = performance.now() - from;
    const { outcome } = await wait(id);
    const total = performance.now() - from;
    if (outcome?.exitCode !== 0) throw new Error(`the measured job failed: ${outcome?.message}`);
    return { answered, total };
  };
  const runInOneCall = async () => {
    const from = performance.now();
    let [answered, outcome] = [0, undefined];
    for await (const event of runJob(podium, StartRequest.create({ argv: [program] }))) {
      if ("started" in event) answered = performance.now() - from;
      else if ("ended" in event) outcome = event.ended.outcome;
    }
    const total = performance.now() - from;
    if (outcome?.exitCode !== 0) throw new Error(`the measured job failed: ${outcome?.message}`);
    return { answered, total };
  };
  const close = async () => {
    podium[Symbol.dispose]();
    await host[Symbol.asyncDispose]();
  };
  const call = () => unary(podium, HealthService.check, { service: "" });
  return { name: "podium over mTLS, Start to outcome", host, podium, start, wait, call, run, runInOneCall, close };
}
