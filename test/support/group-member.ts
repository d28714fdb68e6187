// Becomes a member of a control group, then the command: node --single-threaded --v8-pool-size=0 group-member.js
// PLAN NAME PROGRAM [ARG...], where PLAN is the placement as JSON. Ends with 99 when it cannot.
import { openGroup } from "../../sandbox/cgroup/create.ts";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { closeFrom, dup2 } from "../../sandbox/sys/descriptors.ts";
import { execve } from "../../sandbox/sys/process.ts";
import { postFirstTask } from "../../sandbox/sys/v8-tasks.ts";

postFirstTask();
const [, , plan = "", name = "", program = "", ...args] = process.argv;
openGroup(JSON.parse(plan) as CgroupPlan, name).enter();
// Node has the standard descriptors closed on exec; a copy of a copy is not.
for (const fd of [0, 1, 2]) {
  dup2(fd, fd + 100);
  dup2(fd + 100, fd);
}
closeFrom(3);
execve(program, [program, ...args], ["PATH=/usr/bin:/bin"]);
process.exitCode = 99;
