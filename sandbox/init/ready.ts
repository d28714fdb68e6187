// A ready-made job from the side of its init: everything is there but the request. It waits for one on its own socket to
// the zygote, and ends when the zygote does. A request that it has not said to have taken when it ends is served by another.
import { getPriority, setPriority } from "node:os";
import { FrameReader } from "../frames.ts";
import type { NetworkKind } from "../setup/plain.ts";
import type { Limits } from "../spec.ts";
import { close, read, write } from "../sys/descriptors.ts";
import { POLLIN, PollSet } from "../sys/poll.ts";
import { isStopped } from "../sys/process-identity.ts";
import { mayRaisePriority } from "../sys/scheduling.ts";
import type { StartMessage } from "../zygote/protocol.ts";

/** Where a job is made ready. */
export interface Slot {
  /** Of the control group, never used twice. */
  readonly name: string;
  /** init's end of the socket to the zygote. */
  readonly socket: number;
  readonly network: NetworkKind;
}

/** Where the request of a ready-made job comes, and what was its nice value before it was made. */
export interface Waiting {
  readonly socket: number;
  readonly usualPriority: number;
}

/** What a group has until the request sets its limits. */
export const noLimits: Limits = { cpus: 0, memoryBytes: 0, ioBytesPerSecond: 0, pids: 0 };

/** Said to the zygote: all is ready but the request; and this is the init of that request now. */
const readyByte = Buffer.from("r");
const takenByte = Buffer.from("t");
const requestChunk = 16 << 10;
const pidOfInit = 1;

const lowestPriority = 19;
/** Found out once, by the zygote's rehearsals. */
let mayComeBack: boolean | null = null;

/**
 * While a job is made ready, by init and its children: jobs under way and the zygote go first. Returns the nice value of before.
 * A process that could not come back from there stays as it is.
 */
export function makeWay(): number {
  const usual = getPriority();
  mayComeBack ??= mayRaisePriority();
  if (mayComeBack) setPriority(lowestPriority);
  return usual;
}

/** In init's child, which is the command: for both, before a request can come. A command is not before the host's programs. */
export function takePlace(usual: number): void {
  if (mayComeBack !== true) return;
  setPriority(pidOfInit, usual);
  setPriority(Math.max(0, usual));
}

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
