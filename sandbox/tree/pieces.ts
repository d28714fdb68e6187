// Many small pieces as fewer larger ones: a message or a frame each would cost more than its bytes.

const pieceBytes = 64 << 10;

export function* coalesced(source: Iterable<Buffer>): Generator<Buffer, void, undefined> {
  let held: Buffer[] = [];
  let bytes = 0;
  for (const piece of source) {
    held.push(piece);
    bytes += piece.length;
    if (bytes < pieceBytes) continue;
    yield Buffer.concat(held, bytes);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held, bytes);
}
