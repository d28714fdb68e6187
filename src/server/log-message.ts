// A Log message for the wire. The generated code copies the bytes of a piece five times on their way into a message and
// clears a buffer of twice their size for it, which is most of what following a log costs; here they are copied once.
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { LoggerService, LogResponse, LogSuccess } from "../gen/podium.ts";

/** Of shorter pieces the rest of the message is the greater part. */
const leastBytes = 1024;
const nothing = Buffer.alloc(0);
/** Fields of proto/podium.proto, all length-delimited (wire type 2): LogResponse.success, LogSuccess.stdout and stderr. */
const tags = { success: (1 << 3) | 2, stdout: (2 << 3) | 2, stderr: (3 << 3) | 2 } as const;

/** The Logger service with this encoding of its answers. */
export const loggerDefinition = {
  ...LoggerService,
  log: { ...LoggerService.log, responseSerialize: encodeLogResponse },
};

/** A message as `LogResponse.decode` reads it; the bytes of the stream are its last field. */
export function encodeLogResponse(message: LogResponse): Buffer {
  const { response } = message;
  const stream = response?.$case === "success" && longStream(response.value);
  if (!stream) return Buffer.from(LogResponse.encode(message).finish());
  const bytes = response.value[stream];
  const field = new BinaryWriter().uint32(tags[stream]).uint32(bytes.length).finish();
  const rest = LogSuccess.encode({ ...response.value, [stream]: nothing }).finish();
  const inner = rest.length + field.length + bytes.length;
  const head = new BinaryWriter().uint32(tags.success).uint32(inner).raw(rest).raw(field).finish();
  const encoded = Buffer.allocUnsafe(head.length + bytes.length);
  encoded.set(head);
  encoded.set(bytes, head.length);
  return encoded;
}

function longStream({ stdout, stderr }: LogSuccess): "stdout" | "stderr" | null {
  if (stdout.length >= leastBytes) return "stdout";
  return stderr.length >= leastBytes ? "stderr" : null;
}
