import { open } from "node:fs/promises";

const blockBytes = 64 * 1024;
const newline = 0x0a;

/** Offset at which the last `lines` lines of a file begin; a last line without a newline is one. 0 lines: the file's end. */
export async function tailOffset(path: string, lines: number): Promise<number> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    if (lines === 0) return size;
    const block = Buffer.allocUnsafe(blockBytes);
    let missing = lines;
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - blockBytes);
      await file.read(block, 0, end - start, start);
      // The newline that ends the last line begins no further one.
      for (let at = end - 1; at >= start; at--) {
        if (block[at - start] === newline && at !== size - 1 && --missing === 0) return at + 1;
      }
      end = start;
    }
    return 0;
  } finally {
    await file.close();
  }
}
