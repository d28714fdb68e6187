// Generated client and generated service meet in grpc-js: call names, streams, and what it makes of bad bytes.

import { once } from "node:events";
import * as grpc from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import * as podium from "../../src/gen/podium.ts";
import * as rfd from "../rfd/gen/rfd0.ts";
import { suite } from "../support/suite.ts";

const test = suite("the API over gRPC");

const status: podium.StatusServer = {
  status: ({ request: { id } }, answer) =>
    answer(null, podium.StatusResponse.create({ response: { $case: "success", value: { id, state: "COMPLETED" } } })),
};
const pieces = ["one ", "two ", "größer"];
const logger: podium.LoggerServer = {
  log: (call) => {
    let offset = 0;
    for (const piece of pieces) {
      const stdout = Buffer.from(piece);
      const value = { id: call.request.id, stdout, offset };
      call.write(podium.LogResponse.create({ response: { $case: "success", value } }));
      offset += stdout.length;
    }
    call.end();
  },
};

/** Calls `body` with the address of a server that has the services above. */
async function withServer(body: (address: string) => Promise<void>): Promise<void> {
  const server = new grpc.Server();
  server.addService(podium.StatusService, status);
  server.addService(podium.LoggerService, logger);
  const bind = (port: (error: Error | null, port: number) => void) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), port);
  const port = await new Promise<number>((resolve, reject) => bind((error, n) => (error ? reject(error) : resolve(n))));
  try {
    await body(`127.0.0.1:${port}`);
  } finally {
    server.forceShutdown();
  }
}

/** The response or the error of one unary call. */
function answerOf<T>(call: (callback: (error: Error | null, response?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => call((error, response) => (error ? reject(error) : resolve(response as T))));
}

test("a client of the RFD calls the services and reads the stream", () =>
  withServer(async (address) => {
    const credentials = grpc.credentials.createInsecure();
    const statusClient = new rfd.StatusClient(address, credentials);
    const loggerClient = new rfd.LoggerClient(address, credentials);
    try {
      const id = 2n ** 62n;
      const told = await answerOf<rfd.StatusResponse>((callback) => statusClient.status({ id }, callback));
      assert.equal(told, { response: { $case: "success", value: { id, state: "COMPLETED" } } });
      const stream = loggerClient.log({ id });
      const received: string[] = [];
      stream.on("data", ({ response }: rfd.LogResponse) => {
        if (response?.$case === "success") received.push(response.value.stdout);
      });
      await once(stream, "end");
      assert.equal(received, pieces);
    } finally {
      statusClient.close();
      loggerClient.close();
    }
  }));

test("a request of bad bytes gets a status, and the server lives", () =>
  withServer(async (address) => {
    const client = new grpc.Client(address, grpc.credentials.createInsecure());
    const asIs = (bytes: Buffer) => bytes;
    const path = podium.StatusService.status.path;
    const send = (bytes: Buffer) =>
      answerOf<Buffer>((callback) => void client.makeUnaryRequest(path, asIs, asIs, bytes, callback));
    try {
      const error = await send(Buffer.from([0x08])).catch((reason: unknown) => reason);
      assert.instance(error, Error);
      assert.is((error as grpc.ServiceError).code, grpc.status.INTERNAL);
      assert.match((error as grpc.ServiceError).details, "Error deserializing request");
      const answer = podium.StatusResponse.decode(await send(Buffer.from([0x08, 0x07])));
      assert.is(answer.response?.$case === "success" && answer.response.value.id, 7n);
    } finally {
      client.close();
    }
  }));
