import { check, libc } from "./ffi.ts";

const c = {
  socket: libc("int socket(int, int, int)"),
  bind: libc("int bind(int, const uint8_t*, unsigned int)"),
  close: libc("int close(int)"),
};

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_CLOEXEC = 0o2000000;
const types = { tcp: 1, udp: 2 } as const;
const addressBytes = { [AF_INET]: 16, [AF_INET6]: 28 } as const;

/**
 * A socket bound to the wildcard address and never listening: while it is open nobody else gets the port (bind(2)).
 * Throws SyscallError, EADDRINUSE when the port is taken.
 */
export function claimPort(protocol: "tcp" | "udp", port: number, family: 4 | 6): number {
  const domain = family === 4 ? AF_INET : AF_INET6;
  const fd = check(c.socket(domain, types[protocol] | SOCK_CLOEXEC, 0), "socket");
  const address = Buffer.alloc(addressBytes[domain]);
  address.writeUInt16LE(domain, 0);
  address.writeUInt16BE(port, 2);
  try {
    check(c.bind(fd, address, address.length), "bind", `${protocol} port ${port}`);
    return fd;
  } catch (error) {
    c.close(fd);
    throw error;
  }
}
