// The peer of the log's bench: a grpc-js server that sends the same messages over the same TLS and does nothing else, in a process
// of its own, as podium's server is: node bare-log.mjs CERTS MEBIBYTES. Prints its port; ends with its stdin.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { built } from "./built.mjs";

const [, , certs, mebibytes] = process.argv;
const chunk = Buffer.alloc(64 << 10, "x");
const file = (name) => readFileSync(join(certs, name));
const { LoggerService } = await built("src/gen/podium.js");

const server = new Server();
server.addService(LoggerService, {
  log: async (call) => {
    const value = { id: 1n, stdout: chunk, stderr: Buffer.alloc(0), offset: 0n, gap: 0n, stream: 1 };
    for (let sent = 0; sent < mebibytes << 20; sent += chunk.length) {
      if (!call.write({ response: { $case: "success", value } })) await once(call, "drain");
    }
    call.end();
  },
});
const pair = [{ private_key: file("server.key"), cert_chain: file("server.crt") }];
const credentials = ServerCredentials.createSsl(file("ca.crt"), pair, true);
server.bindAsync("127.0.0.1:0", credentials, (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${port}\n`);
});
process.stdin.on("end", () => server.forceShutdown()).resume();
