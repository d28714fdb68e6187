// The other side of a job's control socket: for the server, and for `podium sandbox`.
import { close as closeFd, open } from "node:fs";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { encodeFrame, encodeJson } from "../frames.ts";
import { identityIn, type ProcessIdentity } from "../sys/process-identity.ts";
import { peerPid } from "../sys/sockets.ts";
import { ControlType, maxInputBytes, type ResizeMessage, type StopMessage } from "./protocol.ts";

const openFile = promisify(open);

/** A connection to init. `close` comes when init has ended, that is when the exit record is written. */
export class ControlClient {
  readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {}); // what follows is "close"
    socket.resume(); // init says nothing, and only a stream that is read ever comes to its end
  }

  /** Throws ENOENT or ECONNREFUSED when the job has no init any more. */
  static async connect(folder: string): Promise<ControlClient> {
    // A socket's path has room for 107 bytes and Node cuts a longer one silently: go through a descriptor.
    const fd = await openFile(folder, "r");
    try {
      const socket = connect(`/proc/self/fd/${fd}/control`);
      await new Promise<void>((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("error", reject);
      });
      return new ControlClient(socket);
    } finally {
      closeFd(fd, () => {});
    }
  }

  /** Who listens at the other end, as the kernel knows it. null: it has ended. */
  peer(): ProcessIdentity | null {
    const fd = descriptorOf(this.socket);
    return fd < 0 ? null : identityIn(`/proc/${peerPid(fd)}`);
  }

  signal(signal: number): void {
    this.socket.write(encodeJson(ControlType.signal, { signal }));
  }

  stop(message: StopMessage): void {
    this.socket.write(encodeJson(ControlType.stop, message));
  }

  /** Feeds stdin. False: wait for `drain` of the socket before the next piece. */
  input(bytes: Buffer): boolean {
    let flowing = true;
    for (let at = 0; at < bytes.length; at += maxInputBytes) {
      flowing = this.socket.write(encodeFrame(ControlType.input, bytes.subarray(at, at + maxInputBytes)));
    }
    return flowing;
  }

  inputEnd(): void {
    this.socket.write(encodeFrame(ControlType.inputEnd, Buffer.alloc(0)));
  }

  resize(size: ResizeMessage): void {
    this.socket.write(encodeJson(ControlType.resize, size));
  }

  timeout(milliseconds: number): void {
    this.socket.write(encodeJson(ControlType.timeout, { milliseconds }));
  }

  close(): void {
    this.socket.destroy();
  }
}

/** -1 once it is closed. Node tells nobody the descriptor of a pipe but through its handle. */
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { readonly _handle: { readonly fd: number } | null })._handle?.fd ?? -1;
}
