// The server's side of the network agent; see protocol.ts. Same methods as Networks, so that either can be used.
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Subnets } from "../address-pool.ts";
import { NetworkError } from "../errors.ts";
import type { ForeignDrop } from "../foreign-firewall.ts";
import type { JobNetwork, NetworkRequest, NetworkSettings } from "../job-network.ts";
import { type JobPolicy, jobPolicy, type ServerPolicy, serverPolicy } from "../policy.ts";
import { checkRate } from "../rate.ts";
import { type AnswerMessage, type Call, errorOf } from "./protocol.ts";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** `network-agent.cjs` beside the bundle that runs, or the compiled module of the checkout. */
function agentProgram(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, "main.js"), join(here, "network-agent.cjs"), join(here, "../network-agent.cjs")];
  const program = candidates.find((path) => existsSync(path));
  if (program === undefined)
    throw new Error("network-agent.cjs is missing beside the program; build it with `npm run build`");
  return program;
}

/** Emits `lost` when the agent died: what it had made ahead is removed by the next one, which the next call starts. */
export class NetworkAgent extends EventEmitter<{ lost: [] }> {
  readonly #settings: NetworkSettings;
  readonly #server: ServerPolicy;
  readonly #waiting = new Map<number, Waiting>();
  readonly #kept = new Map<number, JobNetwork>();
  #child: ChildProcess | null = null;
  #starting: Promise<ChildProcess> | null = null;
  #subnets: Subnets | null = null;
  #lastId = 0;
  #closed = false;

  private constructor(settings: NetworkSettings) {
    super();
    this.#settings = settings;
    this.#server = serverPolicy(settings.policy);
  }

  /** Starts an agent and lets it bring the host in order (`Networks.open`). Throws NetworkError. */
  static async open(settings: NetworkSettings, kept: readonly JobNetwork[]): Promise<NetworkAgent> {
    const agent = new NetworkAgent(settings);
    for (const network of kept) agent.#kept.set(network.slot, network);
    await agent.#ready();
    return agent;
  }

  get subnets(): Subnets | null {
    return this.#subnets;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Checks what a job asks for. Throws NetworkError (invalid) before any side effect. */
  check(request: NetworkRequest): JobPolicy {
    checkRate(request.rateBytesPerSecond);
    return jobPolicy(request, this.#server);
  }

  async make(): Promise<JobNetwork> {
    return (await this.#call({ call: "make" })) as JobNetwork;
  }

  /** From here on the network is a job's: an agent that replaces this one keeps it. See `Networks.assign`. */
  async assign(network: JobNetwork, request: NetworkRequest): Promise<JobNetwork> {
    const assigned = { ...network, request };
    this.#kept.set(network.slot, assigned);
    if (request.rateBytesPerSecond === 0 && isEmpty(request)) return assigned;
    try {
      await this.#call({ call: "assign", network, request });
      return assigned;
    } catch (error) {
      this.#kept.delete(network.slot);
      throw error;
    }
  }

  /** What other programs' rules drop of what jobs send, as the host is now. */
  async foreignDrops(): Promise<ForeignDrop[]> {
    return (await this.#call({ call: "foreignDrops" })) as ForeignDrop[];
  }

  async release(network: JobNetwork): Promise<void> {
    this.#kept.delete(network.slot);
    await this.#call({ call: "release", network });
  }

  /** Networks of running jobs stay, with bridge and rules; without any, all of it goes. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#call({ call: "close" });
    this.#closed = true;
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.disconnect();
    await exited;
  }

  async #call(call: Call): Promise<unknown> {
    const child = await this.#ready();
    return this.#send(child, call);
  }

  #send(child: ChildProcess, call: Call): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      child.send({ ...call, id }, (error) => {
        if (error !== null && this.#waiting.delete(id)) reject(died());
      });
    });
  }

  #ready(): Promise<ChildProcess> {
    if (this.#closed) return Promise.reject(new NetworkError("unavailable", "the network is shut down"));
    if (this.#child !== null) return Promise.resolve(this.#child);
    this.#starting ??= this.#start().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #start(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [agentProgram()], {
      cwd: "/",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child.on("message", (message) => this.#answer(message as AnswerMessage));
    child.once("exit", () => this.#died(child));
    child.once("error", () => this.#died(child));
    try {
      this.#subnets = (await this.#send(child, {
        call: "open",
        settings: this.#settings,
        kept: [...this.#kept.values()],
      })) as Subnets;
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
    this.#child = child;
    return child;
  }

  #answer({ id, result, failure }: AnswerMessage): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (failure === undefined) waiting?.resolve(result);
    else waiting?.reject(errorOf(failure));
  }

  #died(child: ChildProcess): void {
    const wasReady = this.#child === child;
    if (wasReady) this.#child = null;
    for (const { reject } of this.#waiting.values()) reject(died());
    this.#waiting.clear();
    if (wasReady && !this.#closed) this.emit("lost");
  }
}

function isEmpty({ allow, deny, publish }: NetworkRequest): boolean {
  return allow.length + deny.length + publish.length === 0;
}

function died(): NetworkError {
  return new NetworkError("lost", "the network agent died; it is started again by the next request");
}
