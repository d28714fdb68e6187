import { check, libc } from "./ffi.ts";

const c = {
  ioctl: libc("int ioctl(int, unsigned long, uint8_t*)"),
  ioctlNumber: libc("int ioctl(int, unsigned long, int)"),
};

export const O_NOCTTY = 0o400;

const O_RDWR = 2;
const O_CLOEXEC = 0o2000000;
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCSCTTY = 0x540e;
const TIOCSWINSZ = 0x5414;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
const IUTF8 = 0o40000;
const termiosBytes = 64;

/** ioctl(master, TIOCSPTLCK, 0); ioctl_tty(2): the other side can be opened from now on. ENOTTY: this is no master. */
export function unlockTerminal(master: number): void {
  check(c.ioctl(master, TIOCSPTLCK, Buffer.alloc(4)), "ioctl(TIOCSPTLCK)");
}

/** ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC); ioctl_tty(2), since Linux 4.13. The other side, by no path. */
export function openTerminalPeer(master: number): number {
  return check(c.ioctlNumber(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), "ioctl(TIOCGPTPEER)");
}

/** ioctl(fd, TIOCSWINSZ, struct winsize*); ioctl_tty(2). A change is told to the foreground processes as SIGWINCH. */
export function setTerminalSize(fd: number, rows: number, columns: number): void {
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  check(c.ioctl(fd, TIOCSWINSZ, size), "ioctl(TIOCSWINSZ)");
}

/** ioctl(fd, TIOCSCTTY, 0); ioctl_tty(2): the caller leads a session and has no terminal yet. */
export function makeControllingTerminal(fd: number): void {
  check(c.ioctlNumber(fd, TIOCSCTTY, 0), "ioctl(TIOCSCTTY)");
}

/** Sets IUTF8 (termios(3)): backspace takes whole characters back. */
export function setTerminalUtf8(fd: number): void {
  const termios = Buffer.alloc(termiosBytes);
  check(c.ioctl(fd, TCGETS, termios), "ioctl(TCGETS)");
  termios.writeUInt32LE((termios.readUInt32LE(0) | IUTF8) >>> 0, 0);
  check(c.ioctl(fd, TCSETS, termios), "ioctl(TCSETS)");
}
