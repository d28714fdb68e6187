// Ready-made jobs: inits whose command's process is forked and set up as far as it goes without a request. Each is used
// once. They end by themselves when the zygote does, whose end of their socket closes.
import { sweepJob } from "../cgroup/placement.ts";
import { encodeFrame } from "../frames.ts";
import { discardSocket } from "../init/control.ts";
import type { Slot } from "../init/ready.ts";
import { isPlain, type NetworkKind, networkKind } from "../setup/plain.ts";
import { close, read, write } from "../sys/descriptors.ts";
import { POLLIN, type PollSet } from "../sys/poll.ts";
import { waitFor } from "../sys/process.ts";
import { socketPair } from "../sys/socketpair.ts";
import { HostWatch } from "./host-watch.ts";
import { PoolSize } from "./pool-size.ts";
import { type ConfigureMessage, MessageType, type StartMessage } from "./protocol.ts";

/** A request goes to a job in one write, which a socket and a pipe have room for. */
const longestRequest = 48 << 10;
/** The next is made when nobody has asked for anything for so long, or when few are left. */
const quietMs = 40;
/** After one could not be made. The reason is told at Start, where somebody hears it. */
const pauseMs = 5_000;

interface ReadyJob {
  readonly pid: number;
  readonly name: string;
  readonly network: NetworkKind;
  readonly socket: number;
  place: number;
  prepared: boolean;
}

/** Has been given its request, and has not said yet that it serves it. */
interface GivenJob {
  readonly name: string;
  readonly socket: number;
  readonly start: StartMessage;
  place: number;
}

export class ReadyJobs {
  readonly #plan: ConfigureMessage["cgroup"];
  readonly #stage: string;
  readonly #sizes: Readonly<Record<NetworkKind, PoolSize>>;
  readonly #jobs = new Map<number, ReadyJob>();
  readonly #given = new Map<number, GivenJob>();
  /** Told to end, by pid: the names of their groups. */
  readonly #leaving = new Map<number, string>();
  /** Names of groups that could not be removed yet. */
  readonly #unswept = new Set<string>();
  readonly #host = new HostWatch();
  #made = 0;
  #askedAtMs = 0;
  #restUntilMs = 0;

  constructor({ cgroup, stage, readyJobs = 0 }: ConfigureMessage) {
    this.#plan = cgroup;
    this.#stage = stage;
    this.#sizes = { own: new PoolSize(readyJobs, true), joined: new PoolSize(readyJobs, false) };
  }

  watch(set: PollSet): void {
    this.#host.watch(set);
    for (const job of this.#jobs.values()) job.place = job.prepared ? -1 : set.add(job.socket, POLLIN);
    for (const job of this.#given.values()) job.place = set.add(job.socket, POLLIN);
  }

  /** Hears which are prepared. What has changed on the host since is not in their roots: they go. */
  advance(set: PollSet): void {
    for (const job of this.#jobs.values()) {
      if (job.place >= 0 && set.ready(job.place) !== 0) job.prepared = read(job.socket, Buffer.alloc(1)) === 1;
    }
    for (const [pid, job] of this.#given) if (set.ready(job.place) !== 0) this.#settle(pid, job);
    if (this.#host.changed(set)) this.#dismissAll();
  }

  /** Hands a request over to a ready-made job. null: there is none for it. */
  take(start: StartMessage, request: Buffer): { pid: number; name: string } | null {
    this.#askedAtMs = performance.now();
    if (!fits(start, request)) return null;
    const network = networkKind(start.spec);
    this.#sizes[network].came(this.#askedAtMs);
    for (const job of this.#jobs.values()) {
      if (job.network === network && job.prepared && this.#give(job, start, request)) return job;
    }
    return null;
  }

  /** False when it has died meanwhile. */
  #give(job: ReadyJob, start: StartMessage, request: Buffer): boolean {
    const frame = encodeFrame(MessageType.start, request);
    const result = write(job.socket, frame);
    const given = typeof result === "object" && result.written === frame.length;
    if (given) {
      this.#jobs.delete(job.pid);
      this.#given.set(job.pid, { name: job.name, socket: job.socket, start, place: -1 });
    } else this.#dismiss(job);
    return given;
  }

  /** True when it has said that it serves its request. */
  #settle(pid: number, { socket }: GivenJob): boolean {
    if (read(socket, Buffer.alloc(1)) !== 1) return false;
    close(socket);
    this.#given.delete(pid);
    return true;
  }

  /** After a reap: the request that this one was given and has not taken; its own group is gone then. */
  untaken(pid: number): StartMessage | null {
    const job = this.#given.get(pid);
    if (job === undefined || this.#settle(pid, job)) return null;
    close(job.socket);
    this.#given.delete(pid);
    this.#sweep(job.name);
    return job.start;
  }

  /** Which kind to make now, if any. */
  wanted(): NetworkKind | null {
    const now = performance.now();
    if (now < this.#restUntilMs) return null;
    const kinds: readonly NetworkKind[] = ["own", "joined"];
    return kinds.find((network) => this.#isDue(network, now)) ?? null;
  }

  #isDue(network: NetworkKind, now: number): boolean {
    const wanted = this.#sizes[network].wanted(now);
    const present = [...this.#jobs.values()].filter((job) => job.network === network);
    if (present.length >= wanted || present.some((job) => !job.prepared)) return false;
    return present.length < wanted / 4 || now - this.#askedAtMs >= quietMs;
  }

  /** Milliseconds after which `wanted` may answer otherwise; -1: it will not by itself. */
  untilWantedMs(): number {
    const now = performance.now();
    const falls = Object.values(this.#sizes).map((size) => size.untilFallMs(now));
    const quiet = now - this.#askedAtMs < quietMs ? quietMs - (now - this.#askedAtMs) : -1;
    const times = [...falls, quiet, this.#restUntilMs - now].filter((time) => time >= 0);
    return times.length === 0 ? -1 : Math.ceil(Math.min(...times));
  }

  /** Begins one; `fork` gives the pid of an init that serves the slot and calls `leave` first. */
  make(network: NetworkKind, fork: (slot: Slot, leave: () => void) => number): void {
    const name = `ready-${process.pid}-${++this.#made}`;
    const ends = this.#socketPair();
    if (ends === null) return;
    const [socket, other] = ends;
    try {
      const pid = fork({ name, socket: other, network }, () => close(socket));
      this.#jobs.set(pid, { pid, name, network, socket, place: -1, prepared: false });
    } catch {
      close(socket);
      this.#restUntilMs = performance.now() + pauseMs;
    } finally {
      close(other);
    }
  }

  /** null: no descriptors are left at the moment. */
  #socketPair(): readonly [number, number] | null {
    try {
      return socketPair();
    } catch {
      this.#restUntilMs = performance.now() + pauseMs;
      return null;
    }
  }

  /** One that cannot be removed now (no descriptors are left) is tried again, and at the latest by the next server. */
  #sweep(name: string): void {
    try {
      sweepJob(this.#plan, name);
      discardSocket(`${this.#stage}/${name}`);
      this.#unswept.delete(name);
    } catch {
      this.#unswept.add(name);
    }
  }

  /** After a reap. False: it was none of these. */
  forget(pid: number): boolean {
    const job = this.#jobs.get(pid);
    if (job !== undefined) {
      if (!job.prepared) this.#restUntilMs = performance.now() + pauseMs;
      this.#dismiss(job);
    }
    const name = this.#leaving.get(pid);
    if (name === undefined) return false;
    this.#leaving.delete(pid);
    this.#sweep(name); // it does so itself, unless it was killed
    return true;
  }

  /** More than are wanted go, one at a time. */
  trim(): void {
    const now = performance.now();
    for (const name of this.#unswept) this.#sweep(name);
    for (const job of this.#jobs.values()) {
      const present = [...this.#jobs.values()].filter(({ network }) => network === job.network).length;
      if (present > this.#sizes[job.network].wanted(now)) return this.#dismiss(job);
    }
  }

  #dismiss(job: ReadyJob): void {
    this.#jobs.delete(job.pid);
    this.#leaving.set(job.pid, job.name);
    close(job.socket);
  }

  #dismissAll(): void {
    for (const job of this.#jobs.values()) this.#dismiss(job);
  }

  /** For a forked child: with a copy of a socket's end it would keep that job alive. */
  leaveToParent(): void {
    for (const { socket } of [...this.#jobs.values(), ...this.#given.values()]) close(socket);
    this.#host.close();
  }

  /** Ends all of them and waits for it. */
  end(): void {
    this.#dismissAll();
    for (const pid of [...this.#leaving.keys()]) {
      waitFor(pid);
      this.forget(pid);
    }
  }
}

function fits({ spec }: StartMessage, request: Buffer): boolean {
  const { cpuset = "", files = [] } = spec.limits;
  if (!isPlain(spec) || request.length > longestRequest) return false;
  return cpuset === "" && files.length === 0; // they may be of a group that it has not entered
}
