// Whether the host still looks as it did when a job was made ready: a job shows the host's files and mounts as of its start. The
// kernel tells of each change before the call that made it returns, so before whoever made it can ask for a job.
import { sharedEtc } from "../setup/host-view.ts";
import { close, O_RDONLY, open } from "../sys/descriptors.ts";
import { inotify, nameEvents, watchNames } from "../sys/inotify.ts";
import { POLLIN, POLLPRI, type PollSet } from "../sys/poll.ts";

/** Links that are copied into a root, beside what is mounted there (host-view.ts). */
const copied = ["localtime", "os-release"];

/** Of each folder, which names in it lead to what jobs are shown. What is in a shared folder is seen through its mount at any time. */
const namesIn = new Map<string, Set<string>>();
for (const path of [...sharedEtc, ...copied]) {
  let folder = "/etc";
  for (const name of path.split("/")) {
    namesIn.set(folder, (namesIn.get(folder) ?? new Set()).add(name));
    folder = `${folder}/${name}`;
  }
}

export class HostWatch {
  /** Tells when something has been mounted or unmounted in this mount namespace (proc_pid_mountinfo(5)). */
  readonly #mounts = open("/proc/self/mountinfo", O_RDONLY);
  readonly #files = inotify();
  #names = new Map<number, Set<string>>();
  #mountsSlot = -1;
  #filesSlot = -1;

  /** Throws SyscallError when the kernel has nothing more to watch with. */
  constructor() {
    this.#watchFolders();
  }

  watch(set: PollSet): void {
    this.#mountsSlot = set.add(this.#mounts, POLLPRI);
    this.#filesSlot = set.add(this.#files, POLLIN);
  }

  /** True once for each change. */
  changed(set: PollSet): boolean {
    const mounts = this.#mountsSlot >= 0 && set.ready(this.#mountsSlot) !== 0;
    const files = this.#filesSlot >= 0 && set.ready(this.#filesSlot) !== 0 && this.#concerns();
    return mounts || files;
  }

  /** Other folders may have the names now. */
  #concerns(): boolean {
    const concerns = nameEvents(this.#files).some(({ watch, name }) => {
      const names = this.#names.get(watch);
      return watch < 0 || (names !== undefined && (name === "" || names.has(name)));
    });
    if (concerns) this.#watchFolders();
    return concerns;
  }

  #watchFolders(): void {
    this.#names = new Map();
    for (const [folder, names] of namesIn) {
      const watch = watchNames(this.#files, folder);
      if (watch !== null) this.#names.set(watch, names);
    }
  }

  close(): void {
    close(this.#mounts);
    close(this.#files);
  }
}
