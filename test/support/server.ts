// A real `scripts/podium serve` on a free port of loopback, with a DATA, an authority and users of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { initAuthority, issueUser, openAuthority } from "../../src/certs/authority.ts";
import { connect, type Podium } from "../../src/client/connect.ts";
import { listJobs } from "../../src/client/jobs.ts";
import { loadProfile } from "../../src/client/profile.ts";
import { stopJob } from "../../src/client/stop.ts";
import { living } from "./processes.ts";
import { podiumScript, type Running, type RunOptions, startProgram } from "./sandbox.ts";
import { stretched } from "./slowness.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface TestServerOptions {
  /** Further arguments of `podium serve`. */
  readonly args?: readonly string[];
  /** What `--config` is to say beside the network. */
  readonly config?: object;
  /** Whether jobs have the network that the configuration says; else none, which is enough for most and faster. */
  readonly network?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that becomes the server, whose own command is what follows: `["unshare", "-m", …]`. */
  readonly prefix?: readonly string[];
}

/** Within 5 s the helpers end, says the contract; more is for a machine on which they do not get to run. */
const readyMs = stretched(60_000);
const endMs = stretched(30_000);
const helpersEndMs = stretched(15_000);

/** `await using server = await TestServer.start()`: ends its jobs, itself and its helpers, or throws. */
export class TestServer implements AsyncDisposable {
  readonly data: string;
  readonly certs: string;
  readonly #folder: ReturnType<typeof temporaryFolder>;
  readonly #options: TestServerOptions;
  readonly #profiles = new Map<string, string>();
  #child: ChildProcess | null = null;
  #stderr = "";
  /** 0 until the server has chosen one; a restart takes the same. */
  port = 0;

  private constructor(options: TestServerOptions) {
    this.#folder = temporaryFolder();
    this.#options = options;
    this.data = join(this.#folder.path, "data");
    this.certs = join(this.#folder.path, "certs");
    initAuthority({ folder: this.certs, hosts: [], days: 2, replace: false });
    const network = options.network === true ? {} : { network: { default: "none" } };
    writeFileSync(this.#configFile, JSON.stringify({ ...network, ...options.config }));
  }

  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const server = new TestServer(options);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.kill();
      server.#folder[Symbol.dispose]();
      throw error;
    }
  }

  /** HOST:PORT. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What the server wrote to its stderr, all starts together: its log, one JSON object a line. */
  get log(): string {
    return this.#stderr;
  }

  /** Starts it (again), on the port it had. */
  async start(): Promise<void> {
    const [program = "", ...args] = [...(this.#options.prefix ?? []), podiumScript, ...this.#args()];
    const child = spawn(program, args, {
      env: { PATH: process.env.PATH ?? "", ...this.#options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    let stdout = "";
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      this.#stderr += chunk;
    });
    const deadline = performance.now() + readyMs;
    while (!stdout.includes("\n")) {
      if (!this.isRunning) throw new Error(`the server ended with ${child.exitCode}: ${this.#stderr}`);
      if (performance.now() > deadline) throw new Error(`the server is not ready after ${readyMs} ms: ${this.#stderr}`);
      await sleep(10);
    }
    this.port = Number(/^podium: listening on 127\.0\.0\.1:(\d+)\n$/.exec(stdout)?.[1]);
    if (Number.isNaN(this.port)) throw new Error(`the server's line is not the one of the contract: ${stdout}`);
  }

  /** Path of the user's profile. `admin` and `viewer` have these roles, all others (`alice`, `bob`) are plain users. */
  profile(name: string): string {
    const known = this.#profiles.get(name);
    if (known !== undefined) return known;
    const role = name === "admin" || name === "viewer" ? name : "user";
    issueUser(openAuthority(this.certs), { name, role, server: this.address, days: 100, replace: false });
    const path = join(this.certs, `${name}.podium`);
    this.#profiles.set(name, path);
    return path;
  }

  /** The client library as one user. */
  connect(name: string, patienceMs = stretched(30_000)): Podium {
    return connect(loadProfile({ profile: this.profile(name) }, {}, "/nonexistent"), { patienceMs });
  }

  /** The command line as one user, running; its stdin stays open unless `input` is given. */
  cli(name: string, args: readonly string[], options: RunOptions = {}): Running {
    return startProgram(podiumScript, args, {
      ...options,
      env: { PODIUM_PROFILE: this.profile(name), ...options.env },
    });
  }

  /** The command line as one user, to its end. */
  async podium(name: string, args: readonly string[], options: RunOptions = {}) {
    const { code, signal, stdout, stderr } = await this.cli(name, args, { input: "", ...options }).ended;
    return { code, signal, stdout: stdout.toString(), stderr };
  }

  /** SIGTERM; throws when it does not end with 0. Running jobs run on. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || !this.isRunning) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const code = await Promise.race([ended.then(([exitCode]) => exitCode), sleep(endMs, "late", { ref: false })]);
    if (code === 0) return;
    await this.kill();
    throw new Error(`the server ended with ${code} on SIGTERM: ${this.#stderr}`);
  }

  /** SIGKILL, as a crash. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || !this.isRunning) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** Ends every running job. */
  async stopJobs(): Promise<void> {
    using podium = this.connect("admin");
    for await (const { id } of listJobs(podium)) await stopJob(podium, id, { signal: "KILL", graceMs: 0 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (!this.isRunning) await this.start();
      await this.stopJobs();
      const zygote = this.#zygotePid();
      await this.stop();
      await untilGone(zygote);
    } finally {
      await this.kill();
      this.#folder[Symbol.dispose]();
    }
  }

  get #configFile(): string {
    return join(this.#folder.path, "config.json");
  }

  #args(): string[] {
    const file = (name: string): string => join(this.certs, name);
    const pair = ["--ca", file("ca.crt"), "--cert", file("server.crt"), "--key", file("server.key")];
    const place = ["--listen", this.address, "--data", this.data, "--config", this.#configFile];
    return ["serve", ...place, ...pair, ...(this.#options.args ?? [])];
  }

  #zygotePid(): number {
    return Number(readFileSync(join(this.data, "zygote.pid"), "utf8"));
  }
}

/** Helper processes without a server and without a job end by themselves. */
async function untilGone(pid: number): Promise<void> {
  const deadline = performance.now() + helpersEndMs;
  while (living(pid)) {
    if (performance.now() > deadline)
      throw new Error(`process ${pid} is still there ${helpersEndMs} ms after the server`);
    await sleep(20);
  }
}
