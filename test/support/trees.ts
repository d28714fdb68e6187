// Trees as tar streams, in and out, for tests.
import { openFolder, packTree } from "../../sandbox/tree/pack.ts";
import { coalesced } from "../../sandbox/tree/pieces.ts";
import { type Entry, encodeEntry, paddingOf, tarEnd } from "../../sandbox/tree/tar.ts";
import { Unpacker, type UnpackOptions } from "../../sandbox/tree/unpack.ts";

export function pack(path: string, name: string, notes: string[] = []): Buffer {
  const folder = openFolder(path);
  return Buffer.concat([...coalesced(packTree(folder, name, "top", (note) => notes.push(note)))]);
}

interface Unpacked {
  readonly notes: string[];
  readonly entries: number;
}

/** In pieces of an odd size, so that every boundary is met. */
export function unpack(stream: Buffer, folder: string, options: Partial<UnpackOptions> = {}): Unpacked {
  const notes: string[] = [];
  const note = (text: string) => notes.push(text);
  const whole = { folder, top: "got", links: "inside" as const, maxBytes: 0, maxEntries: 0, note, ...options };
  const unpacker = new Unpacker(whole);
  for (let at = 0; at < stream.length; at += 333) unpacker.push(stream.subarray(at, at + 333));
  unpacker.finish();
  return { notes, entries: unpacker.entries };
}

export const entry = (path: string, more: Partial<Entry> = {}): Entry => ({
  ...{ path, kind: "file", mode: 0o644, mtimeSeconds: 0, size: 0, target: "" },
  ...more,
});

/** A stream of a hostile sender. */
export function crafted(...entries: (Entry & { content?: string })[]): Buffer {
  const parts = entries.flatMap((one) => {
    const content = Buffer.from(one.content ?? "");
    return [encodeEntry({ ...one, size: content.length }), content, Buffer.alloc(paddingOf(content.length))];
  });
  return Buffer.concat([...parts, tarEnd]);
}
