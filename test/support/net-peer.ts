// A process in a network namespace that a test drives: it listens, connects, pings, sends raw frames.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export type PeerCall =
  | { do: "listen"; protocol: "tcp" | "udp"; port: number; host: string }
  | { do: "tcp"; host: string; port: number; timeoutMs: number }
  | { do: "udp"; host: string; port: number; timeoutMs: number }
  | { do: "ping"; host: string; timeoutMs: number }
  | { do: "transfer"; host: string; port: number; way: "up" | "down"; seconds: number }
  | { do: "frame"; link: string; hex: string }
  | { do: "names"; host: string; names: Readonly<Record<string, string>> }
  | { do: "received" }
  | { do: "heard" };

const program = fileURLToPath(new URL("./net-peer-main.js", import.meta.url));

/** For what answers. Whoever expects silence says how long it listens. */
const patienceMs = 20_000;

export class Peer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (answer: string) => void; reject: (error: Error) => void }>();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message) => this.#answer(message as { id: number; answer?: string; failure?: string }));
    child.once("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the peer ended"));
    });
  }

  /** `namespace` is the path of its file. */
  static async in(namespace: string): Promise<Peer> {
    const child = fork(program, [namespace], { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv: [] });
    const peer = new Peer(child);
    await new Promise<string>((resolve, reject) => peer.#waiting.set(0, { resolve, reject }));
    return peer;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  listen(protocol: "tcp" | "udp", port: number, host = "::"): Promise<string> {
    return this.ask({ do: "listen", protocol, port, host });
  }

  /** What the server saw as the client's address, or the error code. */
  tcp(host: string, port: number, timeoutMs = patienceMs): Promise<string> {
    return this.ask({ do: "tcp", host, port, timeoutMs });
  }

  udp(host: string, port: number, timeoutMs = patienceMs): Promise<string> {
    return this.ask({ do: "udp", host, port, timeoutMs });
  }

  /** `ok`, or the error code. */
  ping(host: string, timeoutMs = patienceMs): Promise<string> {
    return this.ask({ do: "ping", host, timeoutMs });
  }

  /** Takes (`down`) or sends (`up`) as much as it can for this long. */
  transfer(host: string, port: number, way: "up" | "down", seconds: number): Promise<string> {
    return this.ask({ do: "transfer", host, port, way, seconds });
  }

  /** Bytes that arrived here until then, as client and as server, and when that was on the peer's clock. */
  async received(): Promise<{ readonly bytes: number; readonly atMs: number }> {
    const [bytes = 0, atMs = 0] = (await this.ask({ do: "received" })).split(" ").map(Number);
    return { bytes, atMs };
  }

  frame(link: string, hex: string): Promise<string> {
    return this.ask({ do: "frame", link, hex });
  }

  /** Clients of its servers since it was last asked. */
  async heard(): Promise<string[]> {
    return (await this.ask({ do: "heard" })).split("\n").filter((line) => line !== "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }

  ask(call: PeerCall): Promise<string> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, call });
    });
  }

  #answer({ id, answer, failure }: { id: number; answer?: string; failure?: string }): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (failure === undefined) waiting?.resolve(answer ?? "");
    else waiting?.reject(new Error(failure));
  }
}
