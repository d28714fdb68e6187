// init's end of a filter that kills (seccomp/kill-notice.ts): it holds the listener and is told of every call that the
// profile kills for. The caller stays held in the kernel, is never answered, and is killed.
//
//   init                                        command
//    │◀─ "x4" on the status pipe ────────────────│ the listener will be its descriptor 4
//    │── pidfd_getfd until it is there           │ installs the filter
//    │◀─ notification: getppid, marked ──────────│ held
//    │── answer ────────────────────────────────▶│ exec
import { constants } from "node:os";
import { hostArchitecture } from "../seccomp/architecture.ts";
import { close } from "../sys/descriptors.ts";
import { POLLHUP, POLLIN, PollSet } from "../sys/poll.ts";
import { kill } from "../sys/process.ts";
import {
  answerNotification,
  handOverCall,
  isThreadOf,
  type Notification,
  openPidfd,
  receiveNotification,
  takeDescriptor,
} from "../sys/seccomp-notify.ts";

const { SIGKILL, SIGSYS } = constants.signals;
/** A process that handles or blocks SIGSYS gets SIGKILL after this. */
const signalGraceMs = 20;
const lookMs = 1;

function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** Waits until the command's process has its listener; null when it says on `status` that it failed, or dies. */
function takeListener(command: number, fd: number, status: number): number | null {
  const pidfd = openPidfd(command);
  const set = new PollSet();
  try {
    for (;;) {
      const listener = takeDescriptor(pidfd, fd);
      if (listener !== null) return listener;
      set.clear();
      const said = set.add(status, POLLIN);
      set.wait(lookMs);
      if (set.ready(said) !== 0) return null;
    }
  } finally {
    close(pidfd);
  }
}

export class ForbiddenCalls {
  readonly #command: number;
  readonly #names: readonly string[];
  #listener: number;
  #slot = -1;
  #handedOver = false;
  /** Threads that were sent SIGSYS, first in first out, and when the time of each is over. */
  readonly #doomed: { readonly thread: number; readonly killAtMs: number }[] = [];
  /** The first call for which the command itself was killed; "" while none was. */
  name = "";

  /** `fd` is the listener in the process `command`, or soon will be. */
  constructor(command: number, fd: number, status: number, names: readonly string[]) {
    this.#command = command;
    this.#names = names;
    this.#listener = takeListener(command, fd, status) ?? -1;
  }

  watch(set: PollSet): void {
    this.#slot = this.#listener < 0 ? -1 : set.add(this.#listener, POLLIN);
  }

  /** Milliseconds until `advance` has something to do without being woken; -1 = nothing. */
  get untilNextMs(): number {
    const first = this.#doomed[0];
    return first === undefined ? -1 : Math.max(0, first.killAtMs - nowMs());
  }

  advance(set: PollSet): void {
    const ready = this.#slot < 0 ? 0 : set.ready(this.#slot);
    if ((ready & POLLIN) !== 0) this.#take(receiveNotification(this.#listener));
    else if ((ready & POLLHUP) !== 0) this.#close(); // nobody is behind the filter any more
    for (let first = this.#doomed[0]; first !== undefined && nowMs() >= first.killAtMs; first = this.#doomed[0]) {
      this.#doomed.shift();
      kill(first.thread, SIGKILL);
    }
  }

  #take(notification: Notification | null): void {
    if (notification === null) return;
    const { thread, call, sixthArgument } = notification;
    if (!this.#handedOver && call === handOverCall.number && sixthArgument === handOverCall.argument) {
      this.#handedOver = true;
      return answerNotification(this.#listener, notification);
    }
    if (isThreadOf(this.#command, thread) && this.name === "") this.name = this.#nameOf(notification);
    kill(thread, SIGSYS); // as the kernel's own kill shows in the wait status
    this.#doomed.push({ thread, killAtMs: nowMs() + signalGraceMs });
  }

  #nameOf({ call, architecture }: Notification): string {
    const name = architecture === hostArchitecture().audit ? this.#names[call] : undefined;
    return name || `call ${call} of architecture ${architecture.toString(16)}`;
  }

  #close(): void {
    close(this.#listener);
    this.#listener = -1;
  }
}
