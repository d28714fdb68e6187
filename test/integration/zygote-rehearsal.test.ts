import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { groupsIn } from "../../sandbox/cgroup/folder.ts";
import { ZygoteClient } from "../../sandbox/zygote/client.ts";
import { rehearsals } from "../../sandbox/zygote/rehearsal.ts";
import { TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("rehearsals of the zygote");
const root = requires("root", "libseccomp");
const patienceMs = 20_000;

const kinds = ["cgroup", "ipc", "mnt", "net", "user", "uts"];

function namespacesOf(pid: number): string[] {
  return [...kinds.map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`)), readlinkSync(`/proc/${pid}/root`)];
}

/** Watches which network namespaces the process is seen in, until it has rehearsed and then kept still. */
async function watchRehearsals(pid: number, home: string): Promise<number> {
  const seen = new Set<string>();
  let quietSince = performance.now();
  const deadline = performance.now() + patienceMs;
  while (performance.now() - quietSince < 500) {
    assert.ok(performance.now() < deadline, "it comes to an end");
    const now = readlinkSync(`/proc/${pid}/ns/net`);
    if (now !== home) quietSince = performance.now();
    seen.add(now);
    await sleep(0);
  }
  return seen.size - 1;
}

test("it comes back to its namespaces, its root and its descriptors, and leaves no group", root, async () => {
  await using host = await TestZygote.open();
  const home = namespacesOf(host.client.pid);
  const stage = `${host.folder}/stage`;
  const client = await ZygoteClient.spawn({ cgroup: host.cgroup, stage, idLocks: "/run/podium/ids", rehearse: true });
  try {
    const rounds = await watchRehearsals(client.pid, readlinkSync(`/proc/${client.pid}/ns/net`));
    assert.ok(rounds > 1, `it rehearses ${rounds} times, of ${rehearsals}`);
    assert.equal(namespacesOf(client.pid)[kinds.length], home[kinds.length], "the host's root");
    const shared = ["cgroup", "ipc", "user", "uts"].map((kind) => readlinkSync(`/proc/${client.pid}/ns/${kind}`));
    assert.equal(
      shared,
      ["cgroup", "ipc", "user", "uts"].map((kind) => readlinkSync(`/proc/self/ns/${kind}`)),
    );
    const count = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;
    assert.is(count(client.pid), count(host.client.pid), "as many descriptors as a zygote that did not rehearse");
    const groups = groupsIn(host.groupOf("", "pids").replace(/\/$/, ""));
    assert.equal(
      groups.filter((name) => name.startsWith("rehearsal")),
      [],
    );
  } finally {
    await client.close();
  }
});
