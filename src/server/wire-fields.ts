// Fields of protobuf messages, written straight into the memory from which they are sent.

/** Wire type 2: a length, then so many bytes. */
export const delimited = (field: number): number => (field << 3) | 2;
/** What stands before the bytes of a field up to the 15th takes at most so much. */
export const mostBeforeBytes = 6;

/** A message whose only field are these bytes, or the end of a longer one; gives where it ends. */
export function writeBytes(target: Buffer, at: number, field: number, bytes: Uint8Array): number {
  const from = writeVarint(target, target.writeUInt8(delimited(field), at), bytes.length);
  target.set(bytes, from);
  return from + bytes.length;
}

/** Seven bits in each byte, the lowest first. */
export function writeVarint(target: Buffer, at: number, value: number): number {
  let [rest, end] = [value, at];
  for (; rest > 0x7f; rest >>>= 7) end = target.writeUInt8((rest & 0x7f) | 0x80, end);
  return target.writeUInt8(rest, end);
}

export function lengthOfVarint(value: number): number {
  let length = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length++;
  return length;
}
