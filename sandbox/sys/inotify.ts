import { constants } from "node:os";
import { read } from "./descriptors.ts";
import { check, errno, libc } from "./ffi.ts";

const c = {
  init: libc("int inotify_init1(int)"),
  addWatch: libc("int inotify_add_watch(int, const char*, uint32_t)"),
};

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;
/** A name in the folder, or the folder itself, now means something else. */
const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_DELETE_SELF = 0x400;
const IN_MOVE_SELF = 0x800;
const mask = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;

/** struct inotify_event, without its name. */
const headBytes = 16;
const nameLengthAt = 12;

export interface NameEvent {
  /** What `watchNames` gave; -1: events were lost. */
  readonly watch: number;
  /** "": the folder itself. */
  readonly name: string;
}

/** inotify_init1(IN_NONBLOCK | IN_CLOEXEC); inotify(7). EMFILE: the user has fs.inotify.max_user_instances of them. */
export function inotify(): number {
  return check(c.init(IN_NONBLOCK | IN_CLOEXEC), "inotify_init1");
}

/** inotify_add_watch(fd, folder, …): when a name in a folder comes, goes or is replaced. null: there is no such folder. */
export function watchNames(fd: number, folder: string): number | null {
  const watch = c.addWatch(fd, folder, mask);
  if (watch < 0 && [constants.errno.ENOENT, constants.errno.ENOTDIR].includes(errno())) return null;
  return check(watch, "inotify_add_watch", folder);
}

const chunk = Buffer.alloc(4096);

/** What has happened since the last call. */
export function nameEvents(fd: number): NameEvent[] {
  const events: NameEvent[] = [];
  for (let n = read(fd, chunk); n !== null && n > 0; n = read(fd, chunk)) {
    for (let at = 0; at < n; ) {
      const end = at + headBytes + chunk.readUInt32LE(at + nameLengthAt);
      const [name = ""] = chunk.toString("utf8", at + headBytes, end).split("\0");
      events.push({ watch: chunk.readInt32LE(at), name });
      at = end;
    }
  }
  return events;
}
