// A Log message for the wire, written straight into the memory from which it is sent. The generated code copies the bytes of a
// piece five times on their way into a message and clears memory of twice their size for it; here they are copied once.
import { LogStream, LogSuccess } from "../gen/podium.ts";
import type { LogPiece } from "../jobs/log-reader.ts";

/** Fields of proto/podium.proto, all length-delimited (wire type 2): LogResponse.success, LogSuccess.stdout and stderr. */
const tags = { success: (1 << 3) | 2, stdout: (2 << 3) | 2, stderr: (3 << 3) | 2 } as const;
const wireStreams = { stdout: LogStream.STDOUT, stderr: LogStream.STDERR } as const;
const nothing = Buffer.alloc(0);
/** The rest of a message: at most seven fields of at most 12 bytes, and two lengths. */
const mostRest = 100;

export function mostBytesOf({ bytes }: LogPiece): number {
  return mostRest + bytes.length;
}

/** Writes the message at `at`, where there is room for `mostBytesOf` it, and gives where it ends. */
export function writeLogMessage(target: Buffer, at: number, job: number, piece: LogPiece): number {
  const { bytes, stream } = piece;
  const rest = restOf(job, piece);
  const field = bytes.length === 0 ? 0 : 1 + lengthOfVarint(bytes.length) + bytes.length;
  let end = writeVarint(target, target.writeUInt8(tags.success, at), rest.length + field);
  target.set(rest, end);
  end += rest.length;
  if (bytes.length === 0) return end;
  end = writeVarint(target, target.writeUInt8(tags[stream], end), bytes.length);
  target.set(bytes, end);
  return end + bytes.length;
}

function restOf(job: number, { stream, offset, gap, timeMs }: LogPiece): Uint8Array {
  const time = timeMs === 0 ? undefined : new Date(timeMs);
  const place = { offset: BigInt(offset), gap: BigInt(gap), stream: wireStreams[stream], time };
  return LogSuccess.encode({ id: BigInt(job), stdout: nothing, stderr: nothing, ...place }).finish();
}

/** Seven bits in each byte, the lowest first. */
function writeVarint(target: Buffer, at: number, value: number): number {
  let [rest, end] = [value, at];
  for (; rest > 0x7f; rest >>>= 7) end = target.writeUInt8((rest & 0x7f) | 0x80, end);
  return target.writeUInt8(rest, end);
}

function lengthOfVarint(value: number): number {
  let length = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length++;
  return length;
}
