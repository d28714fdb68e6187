// Whether the host still looks as it did when a job was made ready: a job shows the host's files as of its start.
import { sharedEtc } from "../setup/host-view.ts";
import { close, O_RDONLY, open } from "../sys/descriptors.ts";
import { identityBytes, identityOf } from "../sys/identity.ts";
import { POLLPRI, type PollSet } from "../sys/poll.ts";

/** Links that are copied into a root, beside what is mounted there (host-view.ts). */
const copied = ["localtime", "os-release"];

const paths = [...sharedEtc, ...copied].map((name) => `/etc/${name}`);

/** What a replaced file of /etc changes; what is in a folder is seen through its mount at any time. */
export function hostFiles(): Buffer {
  const files = Buffer.alloc(paths.length * identityBytes);
  for (const [i, path] of paths.entries()) identityOf(path, files, i * identityBytes);
  return files;
}

/** Tells when something has been mounted or unmounted in this mount namespace (proc_pid_mountinfo(5)). */
export class MountWatch {
  readonly #fd = open("/proc/self/mountinfo", O_RDONLY);
  #slot = -1;

  watch(set: PollSet): void {
    this.#slot = set.add(this.#fd, POLLPRI);
  }

  /** True once for each change. */
  changed(set: PollSet): boolean {
    return this.#slot >= 0 && set.ready(this.#slot) !== 0;
  }

  close(): void {
    close(this.#fd);
  }
}
