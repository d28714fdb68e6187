// The control socket of one job (protocol.ts): a listener and the connections that were accepted on it.
import { type Frame, FrameReader } from "../frames.ts";
import { close, O_DIRECTORY, O_PATH, open, read } from "../sys/descriptors.ts";
import { isGone } from "../sys/errors.ts";
import { rename, unlink } from "../sys/files.ts";
import { POLLIN, type PollSet } from "../sys/poll.ts";
import { accept, listenOn, listenUnix } from "../sys/sockets.ts";

/** The folder is named by a descriptor, since a socket's path has room for 107 bytes only. */
function listenIn(folder: string, name: string): number {
  const directory = open(folder, O_PATH | O_DIRECTORY);
  try {
    return listenUnix(`/proc/self/fd/${directory}/${name}`);
  } finally {
    close(directory);
  }
}

/** Whoever has removed it already shall not cost the job its outcome. */
export function discardSocket(path: string): void {
  try {
    unlink(path);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

const chunkBytes = 64 << 10;

/** Says whether the sender may go on, or must wait because the command's stdin has no room. */
export type Flow = "on" | "wait";

interface Connection {
  readonly fd: number;
  readonly frames: FrameReader;
  waiting: boolean;
  slot: number;
}

export class ControlSocket {
  readonly #listener: number;
  readonly #chunk = Buffer.allocUnsafe(chunkBytes);
  readonly #connections = new Set<Connection>();
  #slot = -1;
  #path: string;

  private constructor(folder: string, name: string) {
    this.#path = `${folder}/${name}`;
    this.#listener = listenIn(folder, name);
  }

  /** For a job that is not known yet: making one takes a disk longer than giving it another name. null: it cannot be made there. */
  static ahead(folder: string, name: string): ControlSocket | null {
    try {
      return new ControlSocket(folder, name);
    } catch {
      return null;
    }
  }

  /** In the job folder: the one made ahead, or another where that is not on the same disk. */
  static place(folder: string, ahead: ControlSocket | null): ControlSocket {
    if (ahead?.moveTo(`${folder}/control`)) return ahead;
    ahead?.discard();
    return new ControlSocket(folder, "control");
  }

  moveTo(path: string): boolean {
    try {
      rename(this.#path, path);
    } catch {
      return false;
    }
    this.#path = path;
    return true;
  }

  /** Nobody can connect any more, and its name is free. */
  discard(): void {
    this.close();
    discardSocket(this.#path);
  }

  /** Another process may have made it: the supervisor of the job is the one that calls this. */
  claim(): void {
    listenOn(this.#listener);
  }

  watch(set: PollSet): void {
    this.#slot = set.add(this.#listener, POLLIN);
    for (const connection of this.#connections) {
      connection.slot = connection.waiting ? -1 : set.add(connection.fd, POLLIN);
    }
  }

  /** Reads what came and hands each whole frame to `handle`. `room`: stdin can take more, so nobody need wait. */
  advance(set: PollSet, room: boolean, handle: (frame: Frame) => Flow): void {
    for (const connection of this.#connections) {
      if (room) connection.waiting = false;
      const readable = connection.slot >= 0 && set.ready(connection.slot) !== 0;
      if (!this.#serve(connection, readable, handle)) this.#drop(connection);
    }
    if (set.ready(this.#slot) !== 0) this.#acceptAll();
  }

  /** Nobody can connect any more; for a process that goes on without this job. */
  close(): void {
    close(this.#listener);
  }

  #acceptAll(): void {
    for (let fd = accept(this.#listener); fd !== null; fd = accept(this.#listener)) {
      this.#connections.add({ fd, frames: new FrameReader(), waiting: false, slot: -1 });
    }
  }

  /** False when the connection is over, or spoke no frames of ours. */
  #serve(connection: Connection, readable: boolean, handle: (frame: Frame) => Flow): boolean {
    try {
      if (readable) {
        const n = read(connection.fd, this.#chunk);
        if (n === 0) return false;
        if (n !== null) connection.frames.push(Buffer.from(this.#chunk.subarray(0, n)));
      }
      while (!connection.waiting) {
        const frame = connection.frames.next();
        if (frame === null) break;
        connection.waiting = handle(frame) === "wait";
      }
      return true;
    } catch {
      return false;
    }
  }

  #drop(connection: Connection): void {
    close(connection.fd);
    this.#connections.delete(connection);
  }
}
