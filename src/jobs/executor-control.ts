// Part of the seam (executor.ts): a connection to a supervisor as the rest of the server sees it.
import { once } from "node:events";
import { HaltWatch } from "../../sandbox/halted.ts";
import { ControlClient } from "../../sandbox/init/client.ts";
import type { JobControl, Supervisor } from "./job-control.ts";
import { readProcesses } from "./processes.ts";

export function jobControl(client: ControlClient): JobControl {
  const { socket } = client;
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return {
    supervisor: new HaltWatch(client.peer()),
    signal: (signal) => client.signal(signal),
    stop: (request) => client.stop(request),
    input: async (bytes) => {
      if (client.input(bytes)) return;
      const drained = once(socket, "drain").catch(() => {}); // an error is followed by close
      await Promise.race([drained, closed]);
    },
    inputEnd: () => client.inputEnd(),
    timeout: (milliseconds) => client.timeout(milliseconds),
    resize: (size) => client.resize(size),
    closed,
    close: () => socket.destroySoon(),
  };
}

/** As the job's folder knows it, for when there is no way to it. */
export function keptSupervisor(folder: string): Supervisor {
  return new HaltWatch(readProcesses(folder).init);
}

/** `killed`: the socket is there, its supervisor is not. null: neither is, or not yet. */
export async function connectSupervisor(folder: string): Promise<ControlClient | "killed" | null> {
  try {
    const client = await ControlClient.connect(folder);
    if (isSupervisor(client, folder)) return client;
    client.close();
    return "killed";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ECONNREFUSED" ? "killed" : null;
  }
}

/**
 * Whoever listens there is one of those that the folder's `group` names, by pid and start time: the supervisor, or for a moment
 * the process that becomes the command, which makes the socket in its name (sandbox/init/main.ts).
 */
function isSupervisor(client: ControlClient, folder: string): boolean {
  const { init, command } = readProcesses(folder);
  if (init === null) return true; // about to start, or of an older podium
  const peer = client.peer();
  if (peer === null) return false;
  return [init, command].some((one) => one?.pid === peer.pid && one.startTicks === peer.startTicks);
}
