// Messages with their gRPC frames, several in one write, from memory that is used again. grpc-js would make new memory for each
// message and hand it on by itself; memory outside V8's heap makes V8 look through all of its heap again and again, on threads
// that take the processor from server and client.
import type { Around } from "./forwarded-call.ts";
import { mostBeforeBytes, writeBytes } from "./wire-fields.ts";

/** Before each message: a byte, 0 for "not compressed", and its length in four. */
const frameBytes = 5;
/** One write has at most so much, or one message. */
const mostBytes = 257 * 1024;
/** Memory that nobody has needed for so long is given up: a stream may go on for days. */
const quietMs = 1_000;
const nothing = Buffer.alloc(0);

/** One or more messages in their frames. */
export class Framed {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** Lets `Framed` through as it is. */
export const sendingFramed: Around = ({ responseStream }, call, own) => {
  if (responseStream) {
    const frame = Reflect.get(own, "serializeMessage") as ((message: unknown) => Buffer) | undefined;
    if (frame === undefined) throw new Error("grpc-js no longer shows how it frames a message");
    Reflect.set(own, "serializeMessage", (message: unknown) =>
      message instanceof Framed ? message.bytes : frame.call(own, message),
    );
  }
  return call;
};

/** Writes a message at `at`, and gives where it ends. */
export type WriteMessage = (target: Buffer, at: number) => number;

/** The messages of one call: while some are under way, further ones are gathered. */
export class FramedMessages {
  /** Resolves when all is written: false when the client is gone. */
  readonly #send: (framed: Framed) => Promise<boolean>;
  #gathered = nothing;
  #length = 0;
  #spare = nothing;
  #underWay: Promise<void> | null = null;
  #quiet: NodeJS.Timeout | undefined;
  #heard = true;

  constructor(send: (framed: Framed) => Promise<boolean>) {
    this.#send = send;
  }

  /** Gathers one message of at most so many bytes. Waits while the client is behind; false: it is gone. */
  async send(most: number, write: WriteMessage): Promise<boolean> {
    if (!(await this.room(most))) return false;
    this.add(write);
    this.flush();
    return true;
  }

  /** The same for a message whose only field are these bytes. */
  sendBytes(field: number, bytes: Uint8Array): Promise<boolean> {
    return this.send(mostBeforeBytes + bytes.length, (target, at) => writeBytes(target, at, field, bytes));
  }

  /** The same for one that is encoded already. */
  sendEncoded(message: Uint8Array): Promise<boolean> {
    return this.send(message.length, (target, at) => {
      target.set(message, at);
      return at + message.length;
    });
  }

  /** Whether there is room for a message of at most so many bytes now, while the client takes what is under way. */
  hasRoom(most: number): boolean {
    const end = this.#length + most + frameBytes;
    if (!this.#heard || (this.#length > 0 && end > mostBytes)) return false;
    this.#makeRoom(end);
    return true;
  }

  /** Waits until there is; false: the client is gone. */
  async room(most: number): Promise<boolean> {
    while (!this.hasRoom(most)) {
      if (!this.#heard) return false;
      this.flush();
      await this.#underWay;
    }
    return true;
  }

  /** One message, for which there is room. */
  add(write: WriteMessage): void {
    const from = this.#length + frameBytes;
    const end = write(this.#gathered, from);
    this.#gathered.writeUInt8(0, this.#length);
    this.#gathered.writeUInt32BE(end - from, this.#length + 1);
    this.#length = end;
  }

  /** Sends what is gathered, now or when what is under way has gone. */
  flush(): void {
    if (this.#underWay !== null || this.#length === 0 || !this.#heard) return;
    const framed = new Framed(this.#gathered.subarray(0, this.#length));
    [this.#gathered, this.#spare, this.#length] = [this.#spare, this.#gathered, 0];
    this.#underWay = this.#send(framed).then((heard) => {
      this.#heard = heard;
      this.#underWay = null;
      this.flush();
      clearTimeout(this.#quiet);
      this.#quiet = setTimeout(() => this.#forget(), quietMs).unref();
    });
  }

  /** Resolves when all is written, as it must be before the call ends or sends something else. */
  async written(): Promise<boolean> {
    while (this.#underWay !== null) await this.#underWay;
    clearTimeout(this.#quiet);
    this.#forget();
    return this.#heard;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#gathered.length) return;
    const longer = Buffer.allocUnsafe(Math.max(bytes, Math.min(2 * this.#length, mostBytes)));
    this.#gathered.copy(longer, 0, 0, this.#length);
    this.#gathered = longer;
  }

  #forget(): void {
    if (this.#underWay !== null || this.#length > 0) return;
    this.#gathered = nothing;
    this.#spare = nothing;
  }
}
