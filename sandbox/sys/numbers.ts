// System call numbers of calls that glibc does not wrap everywhere (unistd_64.h, asm-generic/unistd.h).
const byArch = {
  x64: { getppid: 110, pivot_root: 155, futex: 202, keyctl: 250, ioprio_set: 251, seccomp: 317, statx: 332 },
  arm64: { getppid: 173, pivot_root: 41, futex: 98, keyctl: 219, ioprio_set: 30, seccomp: 277, statx: 291 },
} as const;

/** Numbers from 424 on are the same on every architecture. */
const common = {
  pidfd_send_signal: 424,
  open_tree: 428,
  move_mount: 429,
  pidfd_open: 434,
  clone3: 435,
  close_range: 436,
  openat2: 437,
  pidfd_getfd: 438,
  mount_setattr: 442,
} as const;

function archNumbers(): (typeof byArch)["x64" | "arm64"] {
  if (process.arch === "x64" || process.arch === "arm64") return byArch[process.arch];
  throw new Error(`podium does not know the system call numbers of ${process.arch}: it runs on x64 and arm64`);
}

export const sysno = { ...archNumbers(), ...common };
