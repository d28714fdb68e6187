import { type FileHandle, open } from "node:fs/promises";
import { readGap } from "./log-gap.ts";

const blockBytes = 64 * 1024;
const newline = 0x0a;

/**
 * Offset at which the last `lines` lines of a stream begin; a last line without a newline is one. 0 lines: the stream's end.
 * `end`: where it is taken to end. What a gap has swallowed counts as no line.
 */
export async function tailOffset(path: string, lines: number, end = Number.POSITIVE_INFINITY): Promise<number> {
  const file = await open(path, "r");
  try {
    const size = Math.min((await file.stat()).size, end);
    if (lines === 0) return size;
    const gap = readGap(path) ?? { start: 0, end: 0 };
    const count = { missing: lines, last: size - 1 };
    return (
      (await lineBegin(file, gap.end, size, count)) ?? (await lineBegin(file, 0, Math.min(gap.start, size), count)) ?? 0
    );
  } finally {
    await file.close();
  }
}

/** null: fewer lines than are missing begin from `from` on. */
async function lineBegin(
  file: FileHandle,
  from: number,
  to: number,
  count: { missing: number; readonly last: number },
): Promise<number | null> {
  const block = Buffer.allocUnsafe(blockBytes);
  for (let end = to; end > from; ) {
    const start = Math.max(from, end - blockBytes);
    await file.read(block, 0, end - start, start);
    // The newline that ends the last line begins no further one.
    for (let at = end - 1; at >= start; at--) {
      if (block[at - start] === newline && at !== count.last && --count.missing === 0) return at + 1;
    }
    end = start;
  }
  return null;
}
