// Part of the seam (executor.ts): a connection to a supervisor as the rest of the server sees it.
import { once } from "node:events";
import type { ControlClient } from "../../sandbox/init/client.ts";
import type { JobControl } from "./job-control.ts";
import { readProcesses } from "./processes.ts";

export function jobControl(client: ControlClient): JobControl {
  const { socket } = client;
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return {
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

/** Whoever listens there is the process that wrote the folder's `group`, by pid and start time. */
export function isSupervisor(client: ControlClient, folder: string): boolean {
  const { init } = readProcesses(folder);
  if (init === null) return true; // about to start, or of an older podium
  const peer = client.peer();
  return peer !== null && peer.pid === init.pid && peer.startTicks === init.startTicks;
}
