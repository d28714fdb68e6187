// The tar format, as far as trees of files, folders and links need it: ustar headers with pax records for what does not fit
// (tar(5), pax(1)). Names are byte strings: a file's name is bytes, which need be no UTF-8; each character is one byte.

export type EntryKind = "file" | "folder" | "link";

/** One thing of a tree. */
export interface Entry {
  /** Components with `/` between, without one at either end. */
  readonly path: string;
  readonly kind: EntryKind;
  /** Permission bits alone: no set-uid, set-gid or sticky bit ever travels. */
  readonly mode: number;
  readonly mtimeSeconds: number;
  /** Bytes of content that follow; 0 for what is no file. */
  readonly size: number;
  /** What a link says, else "". */
  readonly target: string;
}

/** A stream that is no tar of ours, or one that is made to do harm. */
export class TarError extends Error {
  override readonly name = "TarError";
}

export const blockBytes = 512;
const nameBytes = 100;
const largestOctal = 0o77777777777;
const types = { file: "0", link: "2", folder: "5" } as const;
const kinds = new Map<string, EntryKind>([
  ["0", "file"],
  ["\0", "file"],
  ["2", "link"],
  ["5", "folder"],
]);

/** Bytes that bring `size` to a whole number of blocks. */
export function paddingOf(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes;
}

/** Two empty blocks. */
export const tarEnd = Buffer.alloc(2 * blockBytes);

/** The header blocks of an entry. */
export function encodeEntry(entry: Entry): Buffer {
  const records: string[] = [];
  if (entry.path.length > nameBytes) records.push(paxRecord("path", entry.path));
  if (entry.target.length > nameBytes) records.push(paxRecord("linkpath", entry.target));
  if (entry.size > largestOctal) records.push(paxRecord("size", String(entry.size)));
  const header = encodeHeader({ ...entry, type: types[entry.kind] });
  if (records.length === 0) return header;
  const body = Buffer.from(records.join(""), "latin1");
  const pax = { path: "pax", mode: 0o644, mtimeSeconds: 0, size: body.length, target: "", type: "x" };
  return Buffer.concat([encodeHeader(pax), body, Buffer.alloc(paddingOf(body.length)), header]);
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`.length;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

interface Header extends Omit<Entry, "kind"> {
  readonly type: string;
}

function encodeHeader({ path, mode, mtimeSeconds, size, target, type }: Header): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, digits: number) =>
    block.write(Math.max(0, value).toString(8).padStart(digits, "0"), at, "latin1");
  block.write(path.slice(0, nameBytes), 0, "latin1");
  octal(mode & 0o777, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size > largestOctal ? 0 : size, 124, 11);
  octal(Math.min(Math.floor(mtimeSeconds), largestOctal), 136, 11);
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write(target.slice(0, nameBytes), 157, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  octal(checksum(block), 148, 6);
  block.write("\0 ", 154, "latin1");
  return block;
}

/** Sum of all bytes, the field itself taken for spaces. */
function checksum(block: Buffer): number {
  return block.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
}

/** What a header block says. `kind` is null for what this format has and a tree of ours does not (hard link, device, FIFO). */
export interface DecodedHeader extends Omit<Entry, "kind"> {
  readonly kind: EntryKind | null;
  readonly isPax: boolean;
  /** A pax header for the whole archive, which says nothing that matters here. */
  readonly isGlobal: boolean;
}

/** null: an empty block, as at the end. Throws TarError. */
export function decodeHeader(block: Buffer): DecodedHeader | null {
  if (block.every((byte) => byte === 0)) return null;
  if (octalAt(block, 148, 8) !== checksum(block)) throw new TarError("the stream is damaged: a header's sum is wrong");
  const type = block.toString("latin1", 156, 157);
  const prefix = textAt(block, 345, 155);
  const name = textAt(block, 0, nameBytes);
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    mode: octalAt(block, 100, 8) & 0o777,
    mtimeSeconds: octalAt(block, 136, 12),
    size: octalAt(block, 124, 12),
    target: textAt(block, 157, nameBytes),
    kind: kinds.get(type) ?? null,
    isPax: type === "x",
    isGlobal: type === "g",
  };
}

function textAt(block: Buffer, at: number, length: number): string {
  const text = block.toString("latin1", at, at + length);
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

function octalAt(block: Buffer, at: number, length: number): number {
  const text = textAt(block, at, length).trim();
  if (text === "") return 0;
  if (!/^[0-7]+$/.test(text)) throw new TarError("the stream is damaged: a number in a header is none");
  return Number.parseInt(text, 8);
}

/** The records of a pax header's body. Throws TarError. */
export function decodePax(body: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = Number(body.toString("latin1", at, space));
    const end = at + length;
    const isWhole = space > at && Number.isInteger(length) && end <= body.length && body[end - 1] === 0x0a;
    const record = isWhole ? body.toString("latin1", space + 1, end - 1) : "";
    const cut = record.indexOf("=");
    if (cut < 1) throw new TarError("the stream is damaged: a pax record is none");
    records.set(record.slice(0, cut), record.slice(cut + 1));
    at = end;
  }
  return records;
}
