// Everything that `podium doctor` looks at, in the order of its lines. Each entry gives some checks; add yours here.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Check, lacking } from "../../sandbox/requirements/check.ts";
import { tryKernel } from "../../sandbox/requirements/client.ts";
import type { ServerFiles } from "../server/tls-files.ts";
import { firewallChecks, networkChecks } from "./network.ts";
import { cgroupChecks, jobCheck } from "./sandbox.ts";
import { certificateChecks, dataChecks } from "./server-files.ts";
import { systemChecks, thisMachine } from "./system.ts";

/** Whose server it is about. */
export interface Subject {
  readonly data: string;
  readonly files: ServerFiles;
  /** Whether somebody named the certificates. */
  readonly filesGiven: boolean;
}

type Examination = readonly [name: string, examine: (subject: Subject) => readonly Check[] | Promise<readonly Check[]>];

/** What root can try, of the host or of a user namespace: in processes of their own. */
const trials: readonly Examination[] = [["kernel", tryKernel]];
/** What only root of the host can try: from a namespace that it does not own there would be no way back. */
const tries: readonly Examination[] = [
  ["cgroup", ({ data }) => cgroupChecks(data)],
  ["net", networkChecks],
  ["firewall", ({ data }) => firewallChecks(idOf(data))],
  ["data", ({ data }) => dataChecks(data)],
  ["certificates", ({ files, filesGiven }) => certificateChecks(files, filesGiven)],
  ["job", async () => [await jobCheck()]],
];

/** One after the other: they move between namespaces. What cannot be examined is a failed check too. */
export async function examine(subject: Subject): Promise<Check[]> {
  const machine = thisMachine();
  const checks = systemChecks(machine);
  const isHostRoot = checks.every(({ name, ok }) => name !== "root" || ok);
  for (const [name, examination] of machine.uid !== 0 ? [] : isHostRoot ? [...trials, ...tries] : trials) {
    try {
      checks.push(...(await examination(subject)));
    } catch (error) {
      checks.push(lacking(name, `it cannot be examined: ${(error as Error).message}`, "mend that first"));
    }
  }
  return checks;
}

/** "0" has no rules of its own: all others are foreign. */
function idOf(data: string): string {
  const file = join(data, "id");
  return existsSync(file) ? readFileSync(file, "utf8").trim() : "0";
}
