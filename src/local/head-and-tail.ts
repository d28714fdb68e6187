// `podium sandbox --output-limit SIZE`: the first half of SIZE goes through as it comes, the last half follows at the end of
// the job, and what lies between is thrown away. Until then the tail is in podium's memory, SIZE/2 of a stream at most.
import { Transform, type TransformCallback } from "node:stream";

const firstRingBytes = 64 << 10;

export class HeadAndTail extends Transform {
  readonly #tailBytes: number;
  readonly #tell: (droppedBytes: number) => void;
  #headLeft: number;
  /** The last bytes, in a ring that grows as they come. */
  #ring = Buffer.alloc(0);
  #seen = 0;

  /** `tell` is called before the tail, when something is missing before it. */
  constructor(bytes: number, tell: (droppedBytes: number) => void) {
    super();
    this.#headLeft = Math.floor(bytes / 2);
    this.#tailBytes = bytes - this.#headLeft;
    this.#tell = tell;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const head = chunk.subarray(0, this.#headLeft);
    this.#headLeft -= head.length;
    if (head.length > 0) this.push(head);
    this.#keep(chunk.subarray(head.length));
    done();
  }

  override _flush(done: TransformCallback): void {
    const kept = Math.min(this.#seen, this.#tailBytes);
    if (this.#seen > kept) this.#tell(this.#seen - kept);
    const end = this.#seen % Math.max(1, this.#ring.length);
    if (this.#seen > kept) this.push(this.#ring.subarray(end));
    this.push(this.#seen > kept ? this.#ring.subarray(0, end) : this.#ring.subarray(0, kept));
    done();
  }

  #keep(bytes: Buffer): void {
    this.#grow(this.#seen + bytes.length);
    // What a chunk longer than the ring begins with would be written over by its own end.
    const late = bytes.subarray(Math.max(0, bytes.length - this.#ring.length));
    let at = (this.#seen + bytes.length - late.length) % Math.max(1, this.#ring.length);
    for (let from = 0; from < late.length; ) {
      const copied = late.copy(this.#ring, at, from);
      from += copied;
      at = (at + copied) % this.#ring.length;
    }
    this.#seen += bytes.length;
  }

  /** Only while nothing has been written over yet. */
  #grow(wanted: number): void {
    if (this.#ring.length === this.#tailBytes || wanted <= this.#ring.length) return;
    const length = Math.min(this.#tailBytes, Math.max(firstRingBytes, 2 * this.#ring.length, wanted));
    this.#ring = Buffer.concat([this.#ring], length);
  }
}
