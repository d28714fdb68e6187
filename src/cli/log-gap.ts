import type { LogPiece } from "../client/logs.ts";
import { tell } from "./failure.ts";

/** Says on stderr where output is missing, just before what follows it. */
export function tellGap(id: bigint, { stream, gap, offset }: LogPiece): void {
  if (gap === 0n) return;
  tell(`job ${id}: ${stream}: ${gap} bytes, up to byte ${offset}, were freed by its output limit`);
}
