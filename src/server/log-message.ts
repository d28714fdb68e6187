// A Log message for the wire, written straight into the memory from which it is sent. The generated code copies the bytes of a
// piece five times on their way into a message and clears memory of twice their size for it; here they are copied once.
import { LogStream, LogSuccess } from "../gen/podium.ts";
import type { LogPiece } from "../jobs/log-reader.ts";
import { delimited, lengthOfVarint, writeBytes, writeVarint } from "./wire-fields.ts";

/** Of proto/podium.proto: LogResponse.success, LogSuccess.stdout and stderr. */
const fields = { success: 1, stdout: 2, stderr: 3 } as const;
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
  const from = writeVarint(target, target.writeUInt8(delimited(fields.success), at), rest.length + field);
  target.set(rest, from);
  const end = from + rest.length;
  return bytes.length === 0 ? end : writeBytes(target, end, fields[stream], bytes);
}

function restOf(job: number, { stream, offset, gap, timeMs }: LogPiece): Uint8Array {
  const time = timeMs === 0 ? undefined : new Date(timeMs);
  const place = { offset: BigInt(offset), gap: BigInt(gap), stream: wireStreams[stream], time };
  return LogSuccess.encode({ id: BigInt(job), stdout: nothing, stderr: nothing, ...place }).finish();
}
