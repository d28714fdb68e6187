// Where an output stream of the job comes from.
import { close, read, setNonBlocking, splice } from "../sys/descriptors.ts";

export interface Source {
  /** To wait for; negative: nothing comes yet. */
  readonly fd: number;
  /** Bytes have been taken that the target had no room for: they go first. */
  readonly holding: boolean;
  /** Moves at most so many bytes to `target`. 0: the stream is over; "blocked": nothing now; "closed": nobody reads `target`. */
  move(target: number, maxBytes: number): number | "blocked" | "closed";
  /** As read(2) does it, without waiting: 0 at the end, null when there is nothing now. */
  read(into: Buffer): number | null;
  /** Nobody is left who could write: what comes until the end is all there is. */
  endOfWriters(): void;
  close(): void;
}

/** A pipe of the command: its bytes go to a file or a FIFO without passing through this process. */
export class PipeSource implements Source {
  readonly fd: number;
  readonly holding = false;

  constructor(readEnd: number) {
    this.fd = readEnd;
  }

  move(target: number, maxBytes: number): number | "blocked" | "closed" {
    return splice(this.fd, target, maxBytes);
  }

  read(into: Buffer): number | null {
    setNonBlocking(this.fd);
    return read(this.fd, into);
  }

  endOfWriters(): void {} // the kernel knows: the pipe comes to its end

  /** Tells a command that still writes with EPIPE that nobody reads any more. */
  close(): void {
    close(this.fd);
  }
}
