import { constants } from "node:os";
import { check, errno, libc } from "./ffi.ts";

const poll = libc("int poll(uint8_t*, unsigned long, int)");

export const POLLIN = 1;
export const POLLPRI = 2;
export const POLLOUT = 4;
export const POLLHUP = 16;

const entryBytes = 8;

/**
 * A growing set of descriptors for poll(2), filled anew before each call: `clear`, `add` each, `wait`, then ask `ready`.
 * No allocation per round once it has grown.
 */
export class PollSet {
  #buffer = Buffer.alloc(entryBytes * 16);
  #count = 0;

  clear(): void {
    this.#count = 0;
  }

  /** Returns the index to ask `ready` with. A negative fd is never ready (poll(2)). */
  add(fd: number, events: number): number {
    if ((this.#count + 1) * entryBytes > this.#buffer.length) {
      this.#buffer = Buffer.concat([this.#buffer, Buffer.alloc(this.#buffer.length)]);
    }
    const at = this.#count * entryBytes;
    this.#buffer.writeInt32LE(fd, at);
    this.#buffer.writeInt16LE(events, at + 4);
    this.#buffer.writeInt16LE(0, at + 6);
    return this.#count++;
  }

  /** Waits at most `timeoutMs` milliseconds (-1 = for ever). An interrupted wait is an empty one. */
  wait(timeoutMs: number): void {
    const n = poll(this.#buffer, this.#count, timeoutMs);
    if (n >= 0) return;
    if (errno() === constants.errno.EINTR) this.#forget();
    else check(n, "poll");
  }

  /** The revents of an entry; 0 = not ready. */
  ready(index: number): number {
    return this.#buffer.readInt16LE(index * entryBytes + 6);
  }

  #forget(): void {
    for (let i = 0; i < this.#count; i++) this.#buffer.writeInt16LE(0, i * entryBytes + 6);
  }
}
