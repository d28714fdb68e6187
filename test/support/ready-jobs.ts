// Ready-made jobs as a test sees them.
import { setTimeout as sleep } from "node:timers/promises";
import { groupsIn } from "../../sandbox/cgroup/folder.ts";
import { membersOf } from "../../sandbox/cgroup/placement.ts";
import { childrenOf, stateOf } from "./processes.ts";
import type { StartedJob, TestZygote } from "./sandbox.ts";
import { until } from "./until.ts";

export function readyGroups(zygote: TestZygote): string[] {
  return groupsIn(zygote.groupOf("", "pids").replace(/\/$/, "")).filter((name) => name.startsWith("ready-"));
}

/** The ready ones among them; what has just been forked for another purpose may be too. */
export const initsOf = childrenOf;

/**
 * Waits until `count` are ready: their command's process has moved into the group, and for a while neither it, nor its init,
 * nor the zygote had anything to do. On a busy machine who has something to do waits for a processor, and does not sleep.
 */
export async function whenReady(zygote: TestZygote, count: number): Promise<void> {
  const commands = () => readyGroups(zygote).flatMap((name) => membersOf(zygote.groupOf(name, "pids")));
  const asleep = (pid: number) => stateOf(pid) === "S";
  let since = performance.now();
  await until(`${count} ready-made jobs`, async () => {
    const { pid } = zygote.client;
    const atRest = commands().length >= count && [pid, ...initsOf(pid), ...commands()].every(asleep);
    if (!atRest) since = performance.now();
    await sleep(5);
    return performance.now() - since > 200;
  });
}

export const isReadyMade = ({ group }: StartedJob) => group.startsWith("ready-");
