// The real server in the world of net-world.ts: jobs with networks, an outside that answers, nothing of the machine touched.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mountBind } from "../../sandbox/sys/mounts.ts";
import type { Podium } from "../../src/client/connect.ts";
import { waitForJob } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { stopJob } from "../../src/client/stop.ts";
import { type JobInfo, NetworkOptions, StartRequest } from "../../src/gen/podium.ts";
import type { Peer } from "./net-peer.ts";
import { enterWorld, outside, outsidePeer } from "./net-world.ts";
import { TestServer, type TestServerOptions } from "./server.ts";
import { until } from "./until.ts";

/** What the outside's name server knows. */
const names = {
  "service.example": outside.other,
  "metadata.google.internal": "169.254.169.254",
  "metadata.tencentyun.com": "169.254.169.254",
} as const;

export interface Ran {
  readonly job: JobInfo;
  readonly stdout: string;
}

export class NetServer implements AsyncDisposable {
  readonly server: TestServer;
  readonly outside: Peer;
  podium: Podium;

  private constructor(server: TestServer, peer: Peer) {
    this.server = server;
    this.outside = peer;
    this.podium = server.connect("alice");
  }

  /** Enters the world for good. */
  static async start(network: object = {}, options: TestServerOptions = {}): Promise<NetServer> {
    enterWorld();
    const peer = await outsidePeer();
    await peer.ask({ do: "names", host: outside.address, names });
    const server = await TestServer.start({ ...options, network: true, config: { network, logLevel: "warn" } });
    resolveOutside(join(server.certs, "resolv.conf"));
    return new NetServer(server, peer);
  }

  /** Starts it again after an end of its own, with a client that knows nothing of the time between. */
  async restart(): Promise<void> {
    await this.server.start();
    this.podium[Symbol.dispose]();
    this.podium = this.server.connect("alice");
  }

  /** 8 hexadecimal digits in the name of all it makes. */
  get tag(): string {
    return readFileSync(join(this.server.data, "id"), "utf8").trim();
  }

  async start(script: string, network: Partial<NetworkOptions> = {}): Promise<bigint> {
    const request = { argv: ["bash", "-c", script], network: NetworkOptions.create(network) };
    return startJob(this.podium, StartRequest.create(request));
  }

  /** What it has written so far, once that holds `text`. */
  async outputWith(id: bigint, text: string): Promise<string> {
    const file = join(this.server.data, "jobs", String(id), "stdout");
    for (const deadline = performance.now() + 60_000; ; await sleep(20)) {
      const output = readFileSync(file, "utf8");
      if (output.includes(text)) return output;
      if (performance.now() > deadline) throw new Error(`job ${id} did not print ${text}: ${output}`);
    }
  }

  /** A whole job. */
  async run(script: string, network: Partial<NetworkOptions> = {}): Promise<Ran> {
    return this.ended(await this.start(script, network));
  }

  async ended(id: bigint): Promise<Ran> {
    const job = await waitForJob(this.podium, id);
    return { job, stdout: readFileSync(join(this.server.data, "jobs", String(id), "stdout"), "utf8") };
  }

  /** Waits until nobody answers at a port of the host any more: who tells of a job's end does not wait for its rules to go. */
  async isFree(port: number): Promise<void> {
    const refused = async () => (await this.outside.tcp(outside.host, port, 1000)) === "ECONNREFUSED";
    await until(`port ${port} is free`, refused);
  }

  kill(id: bigint): Promise<void> {
    return stopJob(this.podium, id, { signal: "KILL", graceMs: 0 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.podium[Symbol.dispose]();
    await this.server[Symbol.asyncDispose]();
    await this.outside[Symbol.asyncDispose]();
  }
}

let resolving = false;

/** In this world alone: the mount namespace is the test's. */
function resolveOutside(file: string): void {
  if (resolving) return;
  resolving = true;
  writeFileSync(file, `nameserver ${outside.address}\n`);
  mountBind(file, "/etc/resolv.conf");
}

/** Shell functions for jobs: each prints one word or the first line that the other side sends. What is refused is so at once. */
export const tools = `
tcp() { timeout 20 bash -c 'exec 3<>/dev/tcp/$0/$1 && head -n1 <&3' "$1" "$2" 2>/dev/null | sed s/^::ffff:// | grep . || echo no; }
udp() { timeout 20 bash -c 'exec 3<>/dev/udp/$0/$1 && echo hello >&3 && dd bs=64 count=1 status=none <&3' "$1" "$2" 2>/dev/null || echo no; }
lo() { perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Listen=>1,LocalAddr=>"127.0.0.1",LocalPort=>80) or die; $c=IO::Socket::INET->new("127.0.0.1:80"); $a=$s->accept; print $c "hello\\n"; close $c; print <$a>'; }
name() { getent ahostsv4 "$1" | head -n1 | cut -d" " -f1; }
`;
