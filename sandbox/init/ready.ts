// A ready-made job from the side of its init: everything is there but the request. It waits for one on its own socket to
// the zygote, and ends when the zygote does, or when its command's process has died. A request that it has not said to
// have taken when it ends is served by another.
import { constants } from "node:os";
import type { Group } from "../cgroup/group.ts";
import { FrameReader } from "../frames.ts";
import type { NetworkKind } from "../setup/plain.ts";
import type { Limits } from "../spec.ts";
import { close, read, write } from "../sys/descriptors.ts";
import { POLLIN, PollSet } from "../sys/poll.ts";
import { reap } from "../sys/process.ts";
import { nextSignal } from "../sys/signals.ts";
import type { StartMessage } from "../zygote/protocol.ts";
import { Orders, type Origin, type PreparedJob, prepareJob, showNetwork } from "./prepared.ts";
import { processLines } from "./processes.ts";

/** Where a job is made ready. */
export interface Slot {
  /** Of the control group, never used twice. */
  readonly name: string;
  /** init's end of the socket to the zygote. */
  readonly socket: number;
  readonly network: NetworkKind;
}

/** With its request. */
export interface ReadyJob {
  readonly prepared: PreparedJob;
  readonly start: StartMessage;
  /** Who is who (processes.ts), looked up while nobody waited. */
  readonly processes: string;
}

/** What a group has until the request sets its limits. */
export const noLimits: Limits = { cpus: 0, memoryBytes: 0, ioBytesPerSecond: 0, pids: 0 };

/** Said to the zygote: the command's process waits for its request; and this is the init of that request now. */
const readyByte = Buffer.from("r");
const takenByte = Buffer.from("t");
const requestChunk = 16 << 10;

/**
 * Returns when the request has come and the command's process has it too, which goes on meanwhile; null when none will.
 * Throws when the command's process could not be set up, or cannot have the network of the request.
 */
export function waitReady(origin: Origin, group: Group, { socket, network }: Slot): ReadyJob | null {
  const orders = new Orders();
  const prepared = prepareJob(origin, group, { kind: "told", pipe: orders.readEnd, network });
  close(orders.readEnd);
  const heard = waitForRequest(prepared, socket);
  if (heard === null) return null;
  const { request, processes } = heard;
  const start = JSON.parse(request.toString()) as StartMessage;
  showNetwork(start.spec, prepared.network);
  orders.give(request);
  write(socket, takenByte);
  close(socket);
  return { prepared, start, processes };
}

function waitForRequest({ command, signals }: PreparedJob, socket: number) {
  const inbox = new Inbox(socket);
  const set = new PollSet();
  for (let processes = ""; ; ) {
    set.clear();
    const request = set.add(socket, POLLIN);
    const signal = set.add(signals, POLLIN);
    command.watch(set);
    set.wait(-1);
    command.advance(set);
    if (typeof command.setup === "object") throw new Error(command.setup.message);
    if (set.ready(signal) !== 0 && hasEnded(command.pid, signals)) return null;
    if (command.ready && processes === "") {
      processes = processLines(command.hostPid);
      write(socket, readyByte);
    }
    if (set.ready(request) !== 0) inbox.receive();
    if (inbox.request !== undefined) return inbox.request && { request: inbox.request, processes };
  }
}

class Inbox {
  readonly #socket: number;
  readonly #frames = new FrameReader();
  readonly #chunk = Buffer.allocUnsafe(requestChunk);
  /** null: none will come. */
  request: Buffer | null | undefined = undefined;

  constructor(socket: number) {
    this.#socket = socket;
  }

  receive(): void {
    const n = read(this.#socket, this.#chunk);
    if (n !== null) this.#frames.push(Buffer.from(this.#chunk.subarray(0, n)));
    this.request = this.#frames.next()?.payload ?? (n === 0 ? null : undefined);
  }
}

/** The command's process has died, or somebody on the host wants this one to end. */
function hasEnded(command: number, signals: number): boolean {
  const { SIGTERM, SIGINT, SIGHUP } = constants.signals;
  for (let signal = nextSignal(signals); signal !== 0; signal = nextSignal(signals)) {
    if ([SIGTERM, SIGINT, SIGHUP].includes(signal as never)) return true;
  }
  return reap(command) !== null;
}
