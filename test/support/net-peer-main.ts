// A process that lives in one network namespace and does there what it is told over IPC; see net-peer.ts.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { closeSync, openSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { bytesOf, parseAddress } from "../../net/addresses.ts";
import { SyscallError } from "../../sandbox/sys/errors.ts";
import { check, checkLong, libc } from "../../sandbox/sys/ffi.ts";
import { CLONE_NEWNET, setns } from "../../sandbox/sys/namespaces.ts";
import { pingOnce } from "../../sandbox/sys/probe-sockets.ts";
import { serveNames } from "./net-names.ts";
import type { PeerCall } from "./net-peer.ts";

const sys = {
  socket: libc("int socket(int, int, int)"),
  bind: libc("int bind(int, const uint8_t*, unsigned int)"),
  send: libc("long send(int, const uint8_t*, size_t, int)"),
  nameToIndex: libc("unsigned int if_nametoindex(const char*)"),
};

const AF_PACKET = 17;
const SOCK_RAW = 3;
const servers: (Server | UdpSocket)[] = [];
const heard: string[] = [];
let received = 0;

/** Answers every TCP connection with the client's address, then with what it got; counts UDP and echoes it. */
function listen(protocol: "tcp" | "udp", port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    if (protocol === "udp") {
      const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
      socket.on("message", (message, from) => {
        heard.push(`${from.address} ${message.toString("latin1")}`);
        socket.send(`${from.address}`, from.port, from.address);
      });
      socket.once("error", reject);
      socket.bind(port, host, () => resolve("ok"));
      servers.push(socket);
      return;
    }
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      heard.push(`${socket.remoteAddress}`);
      socket.on("error", () => {});
      socket.write(`${socket.remoteAddress}\n`);
      socket.once("data", (first) => answerTcp(socket, first.toString("latin1")));
      socket.resume();
    });
    server.once("error", reject);
    server.listen(port, host, () => resolve("ok"));
    servers.push(server);
  });
}

/** `give N`: sends N bytes. Anything else is swallowed, and the count told at the end of the stream. */
function answerTcp(socket: import("node:net").Socket, first: string): void {
  const [, bytes] = /^give (\d+)/.exec(first) ?? [];
  if (bytes !== undefined) {
    socket.end(Buffer.alloc(Number(bytes)));
    return;
  }
  let count = first.length;
  socket.on("data", (chunk: Buffer) => {
    count += chunk.length;
    received += chunk.length;
  });
  socket.once("end", () => socket.end(`${count}\n`));
}

/** The first line that the server sends (the address it saw), or the error code. */
function talk(host: string, port: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.setTimeout(timeoutMs, () => finish("ETIMEDOUT"));
    const finish = (answer: string) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("error", (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    socket.once("data", (chunk) => finish(chunk.toString().trim()));
  });
}

function talkUdp(host: string, port: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    const timer = setTimeout(() => finish("ETIMEDOUT"), timeoutMs);
    const finish = (answer: string) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    socket.once("error", (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    socket.once("message", (message) => finish(message.toString()));
    socket.connect(port, host, () => socket.send("hello"));
  });
}

/** Takes or sends as much as it can for a while. */
function transfer(host: string, port: number, way: "up" | "down", seconds: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.once("error", reject);
    setTimeout(() => {
      resolve("ok");
      socket.destroy();
    }, seconds * 1000);
    if (way === "down") {
      socket.write("give 2000000000");
      socket.on("data", (chunk) => {
        received += chunk.length;
      });
      return;
    }
    socket.resume();
    const chunk = Buffer.alloc(16 << 10);
    const pump = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on("drain", pump);
    pump();
  });
}

function ping(host: string, timeoutMs: number): string {
  const address = parseAddress(host);
  if (address === null) return "EINVAL";
  try {
    pingOnce(bytesOf(address), timeoutMs);
    return "ok";
  } catch (error) {
    return error instanceof SyscallError ? error.code : String(error);
  }
}

/** Sends one whole Ethernet frame, given in hexadecimal (packet(7)). */
function frame(link: string, hex: string): string {
  const fd = check(sys.socket(AF_PACKET, SOCK_RAW, 0), "socket");
  try {
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeInt32LE(sys.nameToIndex(link), 4);
    check(sys.bind(fd, address, address.length), "bind");
    const bytes = Buffer.from(hex, "hex");
    return String(checkLong(sys.send(fd, bytes, bytes.length, 0), "send"));
  } finally {
    closeSync(fd);
  }
}

async function obey(call: PeerCall): Promise<string> {
  switch (call.do) {
    case "listen":
      return listen(call.protocol, call.port, call.host);
    case "tcp":
      return talk(call.host, call.port, call.timeoutMs);
    case "udp":
      return talkUdp(call.host, call.port, call.timeoutMs);
    case "ping":
      return ping(call.host, call.timeoutMs);
    case "transfer":
      return transfer(call.host, call.port, call.way, call.seconds);
    case "frame":
      return frame(call.link, call.hex);
    case "names":
      return serveNames(call.host, call.names);
    case "received":
      return `${received} ${performance.now()}`;
    case "heard":
      return heard.splice(0).join("\n");
  }
}

const namespace = process.argv[2] ?? "";
const fd = openSync(namespace, "r");
setns(fd, CLONE_NEWNET);
closeSync(fd);
process.on("message", ({ id, call }: { id: number; call: PeerCall }) => {
  obey(call).then(
    (answer) => process.send?.({ id, answer }),
    (error: Error) => process.send?.({ id, failure: error.message }),
  );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ id: 0, answer: "ready" });
