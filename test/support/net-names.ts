// A name server that knows one IPv4 address for each of a few names, for tests of how jobs resolve (RFC 1035).
import { createSocket } from "node:dgram";

const headerBytes = 12;
const recognized = { answer: 0x8400, nameError: 0x8403 } as const;

/** The name in a query's only question, and where the question ends. */
function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = query.readUInt8(at); length !== 0; length = query.readUInt8(at)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function answerTo(query: Buffer, names: Readonly<Record<string, string>>): Buffer {
  const { name, type, end } = questionOf(query);
  const address = names[name];
  const header = Buffer.alloc(headerBytes);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(address === undefined ? recognized.nameError : recognized.answer, 2);
  header.writeUInt16BE(1, 4);
  const question = query.subarray(headerBytes, end);
  if (address === undefined || type !== 1) return Buffer.concat([header, question]);
  header.writeUInt16BE(1, 6);
  const record = Buffer.from([0xc0, headerBytes, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split(".").map(Number)]);
  return Buffer.concat([header, question, record]);
}

export function serveNames(host: string, names: Readonly<Record<string, string>>): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => socket.send(answerTo(query, names), port, address));
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(53, host, () => resolve("ok"));
  });
}
