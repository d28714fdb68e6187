// A small gRPC server with podium's own credentials and identity, and clients that are not bound to behave.
import { type ConnectionOptions, connect, createSecureContext, type SecureContextOptions } from "node:tls";
import {
  ChannelCredentials,
  Client,
  type ClientReadableStream,
  Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { type Connection, connectionFor } from "../../src/client/credentials.ts";
import { type ConnectionFlags, loadProfile } from "../../src/client/profile.ts";
import { MutualTls } from "../../src/server/credentials.ts";
import { identityOf } from "../../src/server/identity.ts";
import type { ServerFiles } from "../../src/server/tls-files.ts";

const asIs = (bytes: Buffer): Buffer => bytes;
const codec = { requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs };
const who = { path: "/test.Peers/Who", requestStream: false, responseStream: false, ...codec } as const;
const watch = { path: "/test.Peers/Watch", requestStream: false, responseStream: true, ...codec } as const;

export interface PeersServer {
  readonly port: number;
  readonly tls: MutualTls;
  /** Calls that reached a handler, refused ones too. */
  calls(): number;
  /** Writes one message to every running stream. */
  tick(text: string): void;
  [Symbol.dispose](): void;
}

/** `Who` answers with the caller's identity; `Watch` does so and then passes on every tick. */
export async function startPeersServer(files: ServerFiles, address = "127.0.0.1"): Promise<PeersServer> {
  const tls = MutualTls.load(files);
  const server = new Server();
  const streams = new Set<ServerWritableStream<Buffer, Buffer>>();
  let calls = 0;
  server.addService({ who, watch } as never, {
    who: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
      calls++;
      try {
        answer(null, Buffer.from(JSON.stringify(identityOf(call, tls))));
      } catch (error) {
        answer(error as ServiceError);
      }
    },
    watch: (call: ServerWritableStream<Buffer, Buffer>) => {
      calls++;
      try {
        call.write(Buffer.from(identityOf(call, tls).user));
        streams.add(call);
        call.on("close", () => streams.delete(call));
      } catch (error) {
        call.emit("error", error);
      }
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${address}:0`, tls, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  return {
    port,
    tls,
    calls: () => calls,
    tick: (text) => {
      for (const stream of streams) stream.write(Buffer.from(text));
    },
    [Symbol.dispose]: () => server.forceShutdown(),
  };
}

export interface PeersClient {
  /** The identity that the server saw. */
  who(): Promise<Record<string, string>>;
  watch(): Watched;
  [Symbol.dispose](): void;
}

/** A client as podium makes it. */
export function podiumClient(flags: ConnectionFlags): PeersClient & { readonly connection: Connection } {
  const connection = connectionFor(loadProfile(flags, {}, "/nonexistent"));
  const client = new Client(connection.target, connection.credentials, connection.options);
  return { ...peersClient(client), connection };
}

/** A client that checks nothing and takes any key: what an attacker or an old program would be. */
export function looseClient(port: number, context: SecureContextOptions): PeersClient {
  const secureContext = createSecureContext({ ciphers: looseCiphers, ...context });
  const credentials = ChannelCredentials.createFromSecureContext(secureContext, { rejectUnauthorized: false });
  return peersClient(new Client(`127.0.0.1:${port}`, credentials, { "grpc.enable_http_proxy": 0 }));
}

const looseCiphers = "TLS_AES_256_GCM_SHA384:DEFAULT:@SECLEVEL=0";

export function plaintextClient(port: number): PeersClient {
  const options = { "grpc.enable_http_proxy": 0 };
  return peersClient(new Client(`127.0.0.1:${port}`, ChannelCredentials.createInsecure(), options));
}

function peersClient(client: Client): PeersClient {
  const deadline = (): { deadline: number } => ({ deadline: Date.now() + 60_000 });
  return {
    who: () =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(who.path, asIs, asIs, Buffer.alloc(0), deadline(), (error, answer) => {
          if (error !== null) reject(error);
          else resolve(JSON.parse(String(answer)));
        });
      }),
    watch: () => new Watched(client.makeServerStreamRequest(watch.path, asIs, asIs, Buffer.alloc(0))),
    [Symbol.dispose]: () => client.close(),
  };
}

/** A running stream, read message by message. */
export class Watched {
  readonly #stream: ClientReadableStream<Buffer>;
  readonly #messages: string[] = [];
  #failure: Error | undefined;
  #wake = (): void => {};

  constructor(stream: ClientReadableStream<Buffer>) {
    this.#stream = stream;
    stream.on("data", (message: Buffer) => {
      this.#messages.push(String(message));
      this.#wake();
    });
    stream.on("error", (error) => {
      this.#failure = error;
      this.#wake();
    });
  }

  /** The next message; rejects when the stream has failed. */
  async next(): Promise<string> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  [Symbol.dispose](): void {
    this.#stream.cancel();
  }
}

/** The gRPC status of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<ServiceError> {
  const answer = await call.then(
    (value) => ({ value }),
    (error: ServiceError) => ({ error }),
  );
  if ("error" in answer) return answer.error;
  throw new Error(`the call was answered: ${JSON.stringify(answer.value)}`);
}

export interface Handshake {
  /** True when the server began to speak HTTP/2, which it does to nobody it refuses. */
  readonly accepted: boolean;
  readonly protocol: string;
  readonly reused: boolean;
  readonly error: string;
  readonly session: Buffer | undefined;
}

/** One TLS connection by hand, closed again. */
export function handshake(port: number, options: ConnectionOptions): Promise<Handshake> {
  return new Promise((resolve) => {
    let session: Buffer | undefined;
    let error = "";
    let accepted = false;
    let [protocol, reused] = ["", false];
    const socket = connect({ host: "127.0.0.1", port, ALPNProtocols: ["h2"], rejectUnauthorized: false, ...options });
    socket.on("session", (ticket) => {
      session = ticket;
    });
    socket.on("error", (reason: NodeJS.ErrnoException) => {
      error = reason.code ?? reason.message;
    });
    socket.on("secureConnect", () => {
      [protocol, reused] = [socket.getProtocol() ?? "", socket.isSessionReused()];
    });
    socket.once("data", () => {
      accepted = true;
      setTimeout(() => socket.destroy(), 50); // for the ticket, which may come behind the first frame
    });
    socket.once("close", () => resolve({ accepted, protocol, reused, error, session }));
  });
}
