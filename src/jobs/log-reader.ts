// Reads the output of a job from any offset, both streams in the order in which they were written, and follows it to the end
// without polling: the kernel tells when a file has grown (inotify), the job tells when it is over.
import { type FSWatcher, statSync, watch } from "node:fs";
import { join } from "node:path";
import { type StreamName, streams } from "./folder.ts";
import { type IndexRecord, LogIndexReader, logIndexName } from "./log-index.ts";
import { StreamFile, type StreamPiece } from "./stream-file.ts";

export interface LogPiece extends StreamPiece {
  readonly stream: StreamName;
  /** When it was written, milliseconds since the epoch; 0: not known, or not asked for. */
  readonly timeMs: number;
}

/** First byte wanted of a stream; beyond the present end, nothing comes until the stream has grown past it. */
export type LogStarts = Readonly<Partial<Record<StreamName, number>>>;

export interface LogRange {
  /** The streams that are wanted. */
  readonly from: LogStarts;
  /** True: stop at the present end. */
  readonly snapshot: boolean;
  /** Nothing that was written later, in milliseconds since the epoch. */
  readonly untilMs?: number;
  /** Each piece is of one time, and has it. */
  readonly timed?: boolean;
}

/** Whether a job has written anything so far. */
export function hasOutput(folder: string): boolean {
  return streams.some((stream) => statSync(join(folder, stream)).size > 0);
}

/** Wakes whoever waits, also when the wake-up came before the wait. */
class Bell {
  #rung = false;
  #wake: (() => void) | null = null;

  ring = (): void => {
    this.#rung = true;
    this.#wake?.();
  };

  async wait(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#rung = false;
    this.#wake = null;
  }
}

/**
 * The pieces of a job's output, at most 64 KiB each, none ending inside a UTF-8 character unless its stream does; some at a
 * time, whose bytes are in memory that is used again when the next are asked for. `ended` resolves when nobody can write any
 * more. Stops early when `signal` is aborted.
 */
export async function* readLog(
  folder: string,
  range: LogRange,
  ended: Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<readonly LogPiece[]> {
  const bell = new Bell();
  const job = { over: range.snapshot };
  void ended.then(() => {
    job.over = true;
    bell.ring();
  });
  await using log = await OrderedLog.open(folder, range);
  using _watch = range.snapshot ? undefined : growth(folder, log, bell);
  using _alarm = alarm(range.untilMs, bell);
  signal.addEventListener("abort", bell.ring);
  try {
    while (!signal.aborted) {
      const { over } = job; // asked before reading: what is written later is read in the next round
      yield* log.pieces(over);
      if (over || log.past) return;
      await bell.wait();
    }
  } finally {
    signal.removeEventListener("abort", bell.ring);
  }
}

/** With an index what it tells of is there; without, the streams themselves are watched. */
function growth(folder: string, log: OrderedLog, { ring }: Bell): Disposable {
  const names: readonly string[] = streams;
  const watcher: FSWatcher = watch(folder, (_event, name) => {
    if (name === logIndexName || (!log.indexed && names.includes(name ?? ""))) ring();
  });
  watcher.on("error", ring);
  return { [Symbol.dispose]: () => watcher.close() };
}

/** The wall clock may be set while somebody waits for a time of it. */
const clockLookMs = 60_000;

function alarm(atMs: number | undefined, { ring }: Bell): Disposable | undefined {
  if (atMs === undefined || atMs < Date.now()) return undefined;
  let timer: NodeJS.Timeout;
  const arm = () => {
    timer = setTimeout(
      () => {
        if (Date.now() > atMs) ring();
        else arm();
      },
      Math.min(atMs - Date.now() + 1, clockLookMs),
    );
  };
  arm();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

type Offsets = Readonly<Record<StreamName, number>>;

/** So far a stream grew before another did, or at one time. */
interface Run {
  readonly stream: StreamName;
  readonly to: number;
  /** Where its last run of those that are known ends. */
  readonly known: number;
  readonly timeMs: number;
}

/** As many pieces are given at a time, and those of one more read. */
const mostTogether = 256;

/** Both streams of a job, as far as the index knows of them; without an index, as far as they are. */
class OrderedLog implements AsyncDisposable {
  readonly #files = new Map<StreamName, StreamFile>();
  readonly #index: LogIndexReader;
  readonly #untilMs: number;
  readonly #timed: boolean;
  /** Of the last record: how far the streams are given, and its time. */
  #reached: Offsets = { stdout: 0, stderr: 0 };
  #timeMs = 0;
  /** False: the index is not there, or not any more. */
  indexed = true;
  /** There is nothing left of the time that is wanted. */
  past = false;

  private constructor(folder: string, { untilMs = Number.POSITIVE_INFINITY, timed = false }: LogRange) {
    this.#index = new LogIndexReader(folder);
    this.#untilMs = untilMs;
    this.#timed = timed;
  }

  static async open(folder: string, range: LogRange): Promise<OrderedLog> {
    const log = new OrderedLog(folder, range);
    for (const stream of streams) {
      const from = range.from[stream];
      if (from !== undefined) log.#files.set(stream, await StreamFile.open(join(folder, stream), from));
    }
    return log;
  }

  /** What is there and has not been given yet. `over`: nothing more will come. */
  async *pieces(over: boolean): AsyncGenerator<readonly LogPiece[]> {
    const due = Date.now() > this.#untilMs;
    const records = this.#index.take();
    this.indexed = records !== null;
    const sizes = over || records === null ? await this.#sizes() : this.#reached;
    const wanted = (records ?? [{ ...sizes, timeMs: 0 }]).filter(({ timeMs }) => timeMs <= this.#untilMs);
    this.past ||= due || (records !== null && wanted.length < records.length);
    yield* this.#read(this.#runs(wanted, wanted.at(-1) ?? this.#reached), false);
    if (over || this.past) yield* this.#read(this.#ends(this.past ? this.#reached : sizes), true);
    for (const file of this.#files.values()) file.forget(); // a follower that waits keeps no memory
  }

  /** What grew one after the other. Without times, what one stream alone grew by is one. */
  *#runs(records: readonly IndexRecord[], known: Offsets): Generator<Run> {
    let run: Run | null = null;
    for (const record of records) {
      for (const stream of this.#files.keys()) {
        if (record[stream] <= this.#reached[stream]) continue;
        if (run !== null && (this.#timed || run.stream !== stream)) yield run;
        run = { stream, to: record[stream], known: known[stream], timeMs: record.timeMs };
        this.#reached = { ...this.#reached, [stream]: record[stream] };
      }
      this.#timeMs = record.timeMs;
    }
    if (run !== null) yield run;
  }

  *#ends(ends: Offsets): Generator<Run> {
    for (const stream of this.#files.keys()) {
      yield { stream, to: ends[stream], known: ends[stream], timeMs: this.#timeMs };
    }
  }

  /** The pieces of some runs together, as long as their bytes stay where they are. */
  async *#read(runs: Iterable<Run>, last: boolean): AsyncGenerator<readonly LogPiece[], void, undefined> {
    let together: LogPiece[] = [];
    for (const run of runs) {
      const file = this.#files.get(run.stream) as StreamFile;
      let pieces: readonly StreamPiece[];
      do {
        if (together.length > 0 && (together.length >= mostTogether || !file.holds(run.to))) {
          yield together;
          together = [];
        }
        pieces = await file.read(run.to, last, run.known);
        together.push(...pieces.map((piece) => this.#of(run, piece)));
      } while (pieces.length > 0 && file.next < run.to);
    }
    if (together.length > 0) yield together;
  }

  #of({ stream, timeMs }: Run, { offset, bytes, gap }: StreamPiece): LogPiece {
    return { stream, offset, bytes, gap, timeMs: this.#timed ? timeMs : 0 };
  }

  async #sizes(): Promise<Offsets> {
    const sizes = { stdout: 0, stderr: 0 };
    for (const [stream, file] of this.#files) sizes[stream] = await file.size();
    return sizes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#index[Symbol.dispose]();
    for (const file of this.#files.values()) await file[Symbol.asyncDispose]();
  }
}
