// How the processes of podium talk: frames on stream sockets. `u32 little endian: payload bytes | u8: type | payload`.

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

const headerBytes = 5;
/** Larger than any request that the API lets through, small enough to bound a receiver's memory. */
export const maxPayloadBytes = 16 << 20;

export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  const frame = emptyFrame(type, payload.length);
  frame.set(payload, headerBytes);
  return frame;
}

export function encodeJson(type: number, value: unknown): Buffer {
  const text = JSON.stringify(value);
  const frame = emptyFrame(type, Buffer.byteLength(text));
  frame.write(text, headerBytes);
  return frame;
}

function emptyFrame(type: number, payloadBytes: number): Buffer {
  if (payloadBytes > maxPayloadBytes)
    throw new RangeError(`frame payload of ${payloadBytes} bytes: at most ${maxPayloadBytes}`);
  const frame = Buffer.allocUnsafe(headerBytes + payloadBytes);
  frame.writeUInt32LE(payloadBytes, 0);
  frame.writeUInt8(type, 4);
  return frame;
}

export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** Cuts a byte stream into frames: `push` what arrived, then `next` until it gives null. */
export class FrameReader {
  #pending: Buffer[] = [];
  #length = 0;
  /** Bytes without which nothing new can be said: pieces of a long frame are joined once, not with each that comes. */
  #wanted = headerBytes;

  push(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#length += chunk.length;
  }

  /** The next whole frame, or null until more bytes arrive. Throws FrameError on an impossible length. */
  next(): Frame | null {
    if (this.#length < this.#wanted) return null;
    const bytes = this.#joined();
    const payloadBytes = bytes.readUInt32LE(0);
    if (payloadBytes > maxPayloadBytes)
      throw new FrameError(`frame claims ${payloadBytes} bytes: at most ${maxPayloadBytes}`);
    const end = headerBytes + payloadBytes;
    this.#wanted = bytes.length < end ? end : headerBytes;
    if (bytes.length < end) return null;
    this.#pending = [bytes.subarray(end)];
    this.#length = bytes.length - end;
    return { type: bytes.readUInt8(4), payload: bytes.subarray(headerBytes, end) };
  }

  #joined(): Buffer {
    const bytes = this.#pending.length === 1 ? (this.#pending[0] as Buffer) : Buffer.concat(this.#pending);
    this.#pending = [bytes];
    return bytes;
  }
}
