// A tar stream in pieces of any size, taken apart: each entry, then its content.
import { blockBytes, type DecodedHeader, decodeHeader, decodePax, type Entry, paddingOf, TarError } from "./tar.ts";

/** Who gets what is in the stream. Whatever it throws ends the reading. */
export interface TarSink {
  /** An entry begins; of a file `size` bytes follow through `content`. */
  entry(entry: Entry): void;
  content(bytes: Buffer): void;
  /** All of the entry's content has come. */
  entryEnd(): void;
  /** An entry of a kind that no tree of ours has, whose content is passed over. */
  foreign(path: string): void;
}

/** A pax header longer than this is no file name. */
const longestPax = 1 << 20;

type Phase = "header" | "pax" | "content" | "skip" | "padding" | "end";

export class TarReader {
  readonly #sink: TarSink;
  #phase: Phase = "header";
  /** What of a header or pax body has come. */
  #held = Buffer.alloc(0);
  /** Bytes that the present phase still waits for. */
  #wanted = blockBytes;
  #padding = 0;
  #pax = new Map<string, string>();

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  /** The end of the archive has been seen; what follows is ignored. */
  get isComplete(): boolean {
    return this.#phase === "end";
  }

  /** Throws TarError, and what the sink throws. */
  push(chunk: Buffer): void {
    for (let rest = chunk; rest.length > 0 && this.#phase !== "end"; ) {
      const piece = rest.subarray(0, this.#wanted);
      rest = rest.subarray(piece.length);
      this.#wanted -= piece.length;
      if (this.#phase === "header" || this.#phase === "pax") this.#held = Buffer.concat([this.#held, piece]);
      else if (this.#phase === "content") this.#sink.content(piece);
      if (this.#wanted === 0) this.#advance();
    }
  }

  #enter(phase: Phase, wanted: number): void {
    this.#phase = phase;
    this.#wanted = wanted;
    this.#held = Buffer.alloc(0);
    if (wanted === 0) this.#advance();
  }

  #advance(): void {
    const held = this.#held;
    switch (this.#phase) {
      case "header":
        return this.#header(decodeHeader(held));
      case "pax":
        this.#pax = decodePax(held);
        return this.#enter("padding", this.#padding);
      case "content":
        this.#sink.entryEnd();
        return this.#enter("padding", this.#padding);
      case "skip":
        return this.#enter("padding", this.#padding);
      case "padding":
        return this.#enter("header", blockBytes);
      case "end":
        return;
    }
  }

  #header(header: DecodedHeader | null): void {
    if (header === null) return this.#enter("end", blockBytes);
    if (header.isPax || header.isGlobal) {
      this.#padding = paddingOf(header.size);
      if (header.size > longestPax) throw new TarError("the stream is damaged: a pax header is too long");
      return this.#enter(header.isPax ? "pax" : "skip", header.size);
    }
    const { path, size, target } = this.#completed(header);
    this.#padding = paddingOf(size);
    if (header.kind === null) {
      this.#sink.foreign(path);
      return this.#enter("skip", size);
    }
    const { kind, mode, mtimeSeconds } = header;
    if (kind !== "file" && size > 0) throw new TarError("the stream is damaged: what is no file has content");
    this.#sink.entry({ path, kind, mode, mtimeSeconds, size, target: kind === "link" ? target : "" });
    this.#enter("content", size);
  }

  /** With what the pax header before it said. */
  #completed(header: DecodedHeader): { path: string; size: number; target: string } {
    const pax = this.#pax;
    this.#pax = new Map();
    const size = Number(pax.get("size") ?? header.size);
    if (!Number.isSafeInteger(size) || size < 0) throw new TarError("the stream is damaged: a size is none");
    return { path: pax.get("path") ?? header.path, target: pax.get("linkpath") ?? header.target, size };
  }
}
