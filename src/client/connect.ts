// One channel to one server, for all calls of a program.
import { Client } from "@grpc/grpc-js";
import { CallFailure } from "./call-failure.ts";
import { type Connection, connectionFor } from "./credentials.ts";
import type { Profile } from "./profile.ts";

export interface Podium extends Disposable {
  readonly connection: Connection;
  readonly client: Client;
  /** How long following calls try to get a lost connection back, in milliseconds. */
  readonly patienceMs: number;
}

export interface ConnectOptions {
  /** Default: 30 seconds. 0: a lost connection is an error at once. */
  readonly patienceMs?: number;
}

/** A server that vanished without a word is noticed after both together. */
const keepalive = { "grpc.keepalive_time_ms": 20_000, "grpc.keepalive_timeout_ms": 10_000 };
/** A server that restarts is back within a second or two; the defaults would look again after up to two minutes. */
const reconnect = { "grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 1_000 };
const lookup = {
  // Else a name is looked up again only after 30 s, and grpc-js looks it up before it connects again.
  "grpc.dns_min_time_between_resolutions_ms": 500,
  // Else the name server is also asked how to make calls (TXT of _grpc_config.HOST), and believed.
  "grpc.service_config_disable_resolution": 1,
};

/** What may be under way to this client unread; with HTTP/2's own 64 KiB a log waits for an answer with each piece. */
const window = { "grpc-node.flow_control_window": 4 << 20 };

/** grpc-js's own book-keeping of channels and calls, which nobody here asks for. */
const noBookkeeping = { "grpc.enable_channelz": 0 };

/** Checks the credentials (CredentialError); the connection itself is made by the first call. */
export function connect(profile: Profile, { patienceMs = 30_000 }: ConnectOptions = {}): Podium {
  const connection = connectionFor(profile);
  const options = { ...keepalive, ...reconnect, ...lookup, ...window, ...noBookkeeping, ...connection.options };
  const client = new Client(connection.target, connection.credentials, options);
  return { connection, client, patienceMs, [Symbol.dispose]: () => client.close() };
}

/** Resolves when the connection stands; throws CallFailure UNAVAILABLE when it does not by `deadline`, and when `signal` aborts. */
export function untilConnected({ client }: Podium, deadline: Date, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal?.reason);
    signal?.addEventListener("abort", leave);
    client.waitForReady(deadline, (error) => {
      signal?.removeEventListener("abort", leave);
      if (error === undefined) resolve();
      else reject(new CallFailure("UNAVAILABLE", "no connection", error));
    });
  });
}

/** Begins to watch, and connects; what it returns tells whether there ever was a connection since. */
export function whetherItStood({ client }: Podium): () => boolean {
  let stood = false;
  client.waitForReady(Number.POSITIVE_INFINITY, (error) => {
    stood ||= error === undefined;
  });
  return () => stood;
}
