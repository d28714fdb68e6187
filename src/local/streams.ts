// podium's own standard streams as the command's.
import { createReadStream, createWriteStream, fstatSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ControlClient } from "../../sandbox/init/client.ts";
import type { OutputLimit } from "../../sandbox/spec.ts";
import { HeadAndTail } from "./head-and-tail.ts";

/** Why bytes were lost between podium's own streams and the command's; null when none were. */
type Loss = string | null;

const ctrlC = 3;

/**
 * Copies what a FIFO gives to podium's stdout or stderr, and closes it; Node has only a dummy for a block device there.
 * A reader that went away (EPIPE) is no loss: it has seen enough, and the command hears of it from its own pipe.
 */
export async function copyOut(
  fifo: number,
  name: "stdout" | "stderr",
  limit: OutputLimit,
  terminal: { note(bytes: Buffer): void } | null,
): Promise<Loss> {
  const source = new Socket({ fd: fifo, readable: true, writable: false });
  const fd = name === "stdout" ? 1 : 2;
  try {
    const kept = limited(source, name, limit);
    if (terminal !== null) kept.on("data", (bytes: Buffer) => terminal.note(bytes));
    if (fstatSync(fd).isBlockDevice()) await pipeline(kept, createWriteStream("", { fd, autoClose: false }));
    else await pipeline(kept, process[name], { end: false });
    return null;
  } catch (error) {
    source.destroy();
    const { code } = error as NodeJS.ErrnoException;
    return code === "EPIPE" ? null : `${name}: cannot be written: ${code}`;
  }
}

/** init itself keeps a limit that ends the job. */
function limited(source: Socket, name: string, { bytes, kill }: OutputLimit): Readable {
  if (bytes === 0 || kill) return source;
  const tell = (dropped: number) => {
    process.stderr.write(`podium: ${name}: ${dropped} bytes were left out here by its output limit\n`);
  };
  const kept = new HeadAndTail(bytes, tell);
  source.once("error", (error) => kept.destroy(error));
  kept.once("close", () => source.destroy()); // whoever read it has gone: the command hears of it from its own pipe
  return source.pipe(kept);
}

/** process.stdin, except where Node would give an empty dummy in its place: for a block device, and for a folder. */
function ownInput(): Readable {
  const file = fstatSync(0);
  return file.isBlockDevice() || file.isDirectory() ? createReadStream("", { fd: 0, autoClose: false }) : process.stdin;
}

/** Feeds podium's stdin to the command until one of them has enough. */
export class StandardInput implements Disposable {
  #source: Readable | null = null;
  /** Bytes that could not be read; the command saw an end-of-file in their place. */
  loss: Loss = null;

  feed(client: ControlClient): void {
    const source = ownInput();
    this.#source = source;
    source.on("data", (chunk: Buffer) => {
      if (client.input(chunk)) return;
      source.pause();
      client.socket.once("drain", () => source.resume());
    });
    source.once("end", () => client.inputEnd());
    source.once("error", (error: NodeJS.ErrnoException) => {
      this.loss = `stdin: cannot be read: ${error.code}`;
      client.inputEnd();
    });
  }

  /** A terminal on which nobody types to the command: of what is typed Ctrl-C alone counts. */
  watch(): void {
    this.#source = ownInput();
    this.#source.on("data", (chunk: Buffer) => {
      if (chunk.includes(ctrlC)) process.kill(process.pid, "SIGINT");
    });
  }

  /** Nobody wants more of it. */
  stop(): void {
    this.#source?.removeAllListeners("data").pause();
  }

  [Symbol.dispose](): void {
    this.#source?.destroy();
  }
}
