import { Command } from "commander";
import { resolveJob } from "../client/job-id.ts";
import { netcheck } from "../client/network.ts";
import { type NetcheckResponse, Reachability } from "../gen/podium.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { printLines } from "./output.ts";
import { printable } from "./printable.ts";
import { withPodium } from "./with-podium.ts";

export function netcheckCommand(): Command {
  const command = new Command("netcheck")
    .argument("<id>", "id or name of a running job")
    .argument("<target>", "HOST:PORT for a TCP connection, HOST for a ping")
    .action(check);
  return addConnectionOptions(command);
}

async function check(id: string, target: string, _options: object, command: Command): Promise<void> {
  await withPodium(command, async (podium) => {
    const answer = await netcheck(podium, await resolveJob(podium, id), target);
    await printLines(lineOf(answer));
    if (answer.reachability !== Reachability.REACHABLE) process.exitCode = 1;
  });
}

const words: Readonly<Record<Reachability, string>> = {
  [Reachability.UNSPECIFIED]: "unreachable",
  [Reachability.REACHABLE]: "reachable",
  [Reachability.REFUSED]: "refused",
  [Reachability.UNREACHABLE]: "unreachable",
  [Reachability.TIMEOUT]: "timeout",
  [Reachability.UNRECOGNIZED]: "unreachable",
};

/** `reachable 1.2 ms (192.0.2.7)` */
function lineOf({ reachability, milliseconds, address, reason }: NetcheckResponse): string {
  const about = [address, reason].filter((text) => text !== "").join(", ");
  const line = `${words[reachability] ?? "unreachable"} ${milliseconds.toFixed(1)} ms`;
  return printable(about === "" ? line : `${line} (${about})`);
}
