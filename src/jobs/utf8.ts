// Where a byte stream may be cut so that no piece ends inside a UTF-8 character (RFC 3629).

const longestTail = 3;

/** Bytes that the character begun by this byte has; 0 when it begins none. */
function lengthFrom(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

/** Whether this second byte may follow the first: no overlong spelling, no surrogate, nothing beyond U+10FFFF. */
function mayFollow(lead: number, second: number): boolean {
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second <= 0x9f;
  if (lead === 0xf0) return second >= 0x90;
  return lead !== 0xf4 || second <= 0x8f;
}

/**
 * Length of the longest beginning of `bytes` that does not end inside a character. Bytes that are no UTF-8 are not held
 * back: at most the last three, and only when they begin a character.
 */
export function wholeCharacters(bytes: Uint8Array): number {
  for (let tail = 1; tail <= Math.min(longestTail, bytes.length); tail++) {
    const at = bytes.length - tail;
    const byte = bytes[at] as number;
    if ((byte & 0xc0) === 0x80) continue; // inside a character: look further back for its beginning
    const isBegun = lengthFrom(byte) > tail && (tail === 1 || mayFollow(byte, bytes[at + 1] as number));
    return isBegun ? at : bytes.length;
  }
  return bytes.length;
}
