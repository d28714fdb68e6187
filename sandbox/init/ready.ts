// A ready-made job from the side of its init: everything is there but the request. It waits for one on its own socket to
// the zygote, and ends when the zygote does. A request that it has not said to have taken when it ends is served by another.
import { FrameReader } from "../frames.ts";
import type { NetworkKind } from "../setup/plain.ts";
import type { Limits } from "../spec.ts";
import { close, read, write } from "../sys/descriptors.ts";
import { POLLIN, PollSet } from "../sys/poll.ts";
import { isStopped } from "../sys/process-identity.ts";
import type { StartMessage } from "../zygote/protocol.ts";

/** Where a job is made ready. */
export interface Slot {
  /** Of the control group, never used twice. */
  readonly name: string;
  /** init's end of the socket to the zygote. */
  readonly socket: number;
  readonly network: NetworkKind;
}

/** What a group has until the request sets its limits. */
export const noLimits: Limits = { cpus: 0, memoryBytes: 0, ioBytesPerSecond: 0, pids: 0 };

/** Said to the zygote: all is ready but the request; and this is the init of that request now. */
const readyByte = Buffer.from("r");
const takenByte = Buffer.from("t");
const requestChunk = 16 << 10;

/** Says that it is ready, and waits. null: nobody will ever want this one, or its init is stopped and another serves the request. */
export function waitForRequest(socket: number, init: number): StartMessage | null {
  write(socket, readyByte);
  const frames = new FrameReader();
  const chunk = Buffer.allocUnsafe(requestChunk);
  const set = new PollSet();
  set.add(socket, POLLIN);
  for (;;) {
    set.wait(-1);
    const n = read(socket, chunk);
    if (n === 0) return null;
    if (n !== null) frames.push(Buffer.from(chunk.subarray(0, n)));
    const frame = frames.next();
    if (frame === null) continue;
    if (isStopped(init)) return null;
    const start = JSON.parse(frame.payload.toString()) as StartMessage;
    write(socket, takenByte);
    close(socket);
    return start;
  }
}
