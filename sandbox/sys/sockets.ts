import { constants } from "node:os";
import { check, errno, libc } from "./ffi.ts";

const c = {
  socket: libc("int socket(int, int, int)"),
  bind: libc("int bind(int, const uint8_t*, unsigned int)"),
  listen: libc("int listen(int, int)"),
  accept4: libc("int accept4(int, void*, void*, int)"),
  getsockopt: libc("int getsockopt(int, int, int, uint8_t*, uint8_t*)"),
  close: libc("int close(int)"),
};

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const longestPath = 107;
const backlog = 64;

/** A non-blocking listening Unix socket at `path` (unix(7)); its mode follows the umask. At most 107 bytes of path. */
export function listenUnix(path: string): number {
  if (Buffer.byteLength(path) > longestPath)
    throw new Error(`socket path is longer than ${longestPath} bytes: ${path}`);
  const address = Buffer.alloc(2 + longestPath + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(path, 2);
  const fd = check(c.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  try {
    check(c.bind(fd, address, address.length), "bind", path);
    check(c.listen(fd, backlog), "listen", path);
  } catch (error) {
    c.close(fd);
    throw error;
  }
  return fd;
}

/** listen(fd, backlog) on a socket that listens: who connects from now on sees this process at the other end (SO_PEERCRED, unix(7)). */
export function listenOn(fd: number): void {
  check(c.listen(fd, backlog), "listen");
}

/** accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); accept(2). null: nobody is waiting. */
export function accept(listener: number): number | null {
  const fd = c.accept4(listener, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) return fd;
  const transient = [
    constants.errno.EAGAIN,
    constants.errno.EINTR,
    constants.errno.ECONNABORTED,
    constants.errno.EMFILE,
  ];
  if (transient.includes(errno())) return null;
  check(fd, "accept4");
  return null;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const ucredBytes = 12;

/** getsockopt(fd, SOL_SOCKET, SO_PEERCRED); unix(7). Of a client's socket: the pid of whoever called listen(2) on the other end. */
export function peerPid(fd: number): number {
  const [credentials, length] = [Buffer.alloc(ucredBytes), Buffer.alloc(4)];
  length.writeUInt32LE(ucredBytes);
  check(c.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length), "getsockopt(SO_PEERCRED)", `descriptor ${fd}`);
  return credentials.readInt32LE(0);
}
