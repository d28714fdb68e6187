// A Log message as it comes: the bytes of a stream stay where they are in it. The generated code copies them once more.
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { LoggerService, LogResponse, LogSuccess } from "../gen/podium.ts";

/** Of shorter messages there is little to copy. */
const leastBytes = 1024;
/** Fields of proto/podium.proto, all length-delimited (wire type 2): LogResponse.success, LogSuccess.stdout and stderr. */
const tags = { success: (1 << 3) | 2, stdout: (2 << 3) | 2, stderr: (3 << 3) | 2 } as const;

/** Logger.Log with this decoding of its answers. */
export const logMethod = { ...LoggerService.log, responseDeserialize: decodeLogResponse };

/** As `LogResponse.decode`, which gets every message that is not one success with its bytes at the end, as podium's servers write it. */
export function decodeLogResponse(message: Buffer): LogResponse {
  const value = message.length < leastBytes ? null : successEndingInBytes(message);
  return value === null ? LogResponse.decode(message) : { response: { $case: "success", value } };
}

function successEndingInBytes(message: Buffer): LogSuccess | null {
  const reader = new BinaryReader(message);
  if (reader.uint32() !== tags.success || reader.uint32() !== message.length - reader.pos) return null;
  for (const from = reader.pos; reader.pos < message.length; ) {
    const at = reader.pos;
    const tag = reader.uint32();
    if (tag === tags.stdout || tag === tags.stderr) {
      if (reader.uint32() !== message.length - reader.pos) return null;
      const rest = LogSuccess.decode(message.subarray(from, at));
      return { ...rest, [tag === tags.stdout ? "stdout" : "stderr"]: message.subarray(reader.pos) };
    }
    reader.skip(tag & 7);
  }
  return null;
}
