// The test server with clients that speak the API as it is, without the product's own client code between.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Connection, connectionFor } from "../../src/client/credentials.ts";
import { loadProfile } from "../../src/client/profile.ts";
import { living } from "../support/processes.ts";
import { TestServer, type TestServerOptions } from "../support/server.ts";
import { until } from "../support/until.ts";
import { Api } from "./api-client.ts";

export { until };

type UserName = "alice" | "bob" | "admin" | "viewer";

/** `await using server = await LiveServer.start()`: as TestServer, which does the work. */
export class LiveServer implements AsyncDisposable {
  readonly #server: TestServer;
  readonly #apis = new Set<Api>();

  private constructor(server: TestServer) {
    this.#server = server;
  }

  static async start(options: TestServerOptions = {}): Promise<LiveServer> {
    return new LiveServer(await TestServer.start(options));
  }

  get data(): string {
    return this.#server.data;
  }

  get certs(): string {
    return this.#server.certs;
  }

  get pid(): number {
    return this.#server.pid;
  }

  get port(): number {
    return this.#server.port;
  }

  get address(): string {
    return this.#server.address;
  }

  get zygotePid(): number {
    return Number(readFileSync(join(this.data, "zygote.pid"), "utf8"));
  }

  /** The server's log, all starts together. */
  get log(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.#server.log.split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  connectionOf(user: UserName): Connection {
    return connectionFor(loadProfile({ profile: this.#server.profile(user) }, {}, "/nonexistent"));
  }

  /** A client of its own connection. */
  api(user: UserName = "alice"): Api {
    const api = new Api(this.connectionOf(user));
    this.#apis.add(api);
    return api;
  }

  jobFile(id: bigint, name: string): string {
    return readFileSync(join(this.data, "jobs", String(id), name), "utf8");
  }

  /** SIGTERM; throws when it does not end with 0. */
  stop(): Promise<void> {
    return this.#server.stop();
  }

  kill(): Promise<void> {
    return this.#server.kill();
  }

  /** Starts it again where it was. */
  restart(): Promise<void> {
    return this.#server.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const api of this.#apis) api.close();
    await this.#server[Symbol.asyncDispose]();
  }
}

/** Resident memory of a process in MiB. */
export function residentMiB(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}

/** Seconds of cpu time that a process has used; proc_pid_stat(5). */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** False for a zombie too. */
export function isAlive(pid: number): boolean {
  return living(pid);
}
