import { readdirSync, readlinkSync, watch } from "node:fs";
import * as assert from "uvu/assert";
import { groupsIn } from "../../sandbox/cgroup/folder.ts";
import { ZygoteClient } from "../../sandbox/zygote/client.ts";
import { rehearsals } from "../../sandbox/zygote/rehearsal.ts";
import { stateOf } from "../support/processes.ts";
import { TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("rehearsals of the zygote");
const root = requires("root", "libseccomp");

const kinds = ["cgroup", "ipc", "mnt", "net", "user", "uts"];

function namespacesOf(pid: number): string[] {
  return [...kinds.map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`)), readlinkSync(`/proc/${pid}/root`)];
}

function watching(folder: string, happened: (name: string) => void): Disposable {
  const watcher = watch(folder, (_, name) => happened(name ?? ""));
  return { [Symbol.dispose]: () => watcher.close() };
}

test("it comes back to its namespaces, its root and its descriptors, and leaves no group", root, async () => {
  await using host = await TestZygote.open();
  const home = namespacesOf(host.client.pid);
  const stage = `${host.folder}/stage`;
  const jobs = host.groupOf("", "pids").replace(/\/$/, "");
  // The kernel keeps what happens there until it is read: nothing of it is missed, however late one looks.
  let seen = 0;
  using _watcher = watching(jobs, (name) => {
    if (name.startsWith("rehearsal")) seen++;
  });
  const client = await ZygoteClient.spawn({ cgroup: host.cgroup, stage, idLocks: "/run/podium/ids", rehearse: true });
  try {
    await until("each rehearsal has made and removed its group", () => seen >= 2 * rehearsals);
    await until("it is back at rest", () => stateOf(client.pid) === "S");
    assert.equal(namespacesOf(client.pid)[kinds.length], home[kinds.length], "the host's root");
    const shared = ["cgroup", "ipc", "user", "uts"].map((kind) => readlinkSync(`/proc/${client.pid}/ns/${kind}`));
    assert.equal(
      shared,
      ["cgroup", "ipc", "user", "uts"].map((kind) => readlinkSync(`/proc/self/ns/${kind}`)),
    );
    const count = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;
    const alike = () => count(client.pid) === count(host.client.pid);
    await until("it has as many descriptors as a zygote that did not rehearse", alike); // at rest it may wait for the last one
    const groups = groupsIn(jobs);
    assert.equal(
      groups.filter((name) => name.startsWith("rehearsal")),
      [],
    );
  } finally {
    await client.close();
  }
});
