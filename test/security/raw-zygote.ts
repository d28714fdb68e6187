import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import * as assert from "uvu/assert";
import { findPlacement } from "../../sandbox/cgroup/find-placement.ts";
import { preparePlacement, removePlacement, sweepJobs } from "../../sandbox/cgroup/placement.ts";
import { encodeJson, type Frame, FrameReader } from "../../sandbox/frames.ts";
import { specOf } from "../../sandbox/request.ts";
import { idLocks } from "../../sandbox/zygote/client.ts";
import { MessageType } from "../../sandbox/zygote/protocol.ts";
import { root as checkout } from "../support/runner/catalog.ts";

/** A zygote without the product's client in front of it. */
export class RawZygote implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "podium-test-"));
  readonly #cgroup = findPlacement(Buffer.from(this.folder.slice(-6)).toString("hex"));
  readonly #child: ChildProcess;
  readonly #frames = new FrameReader();
  readonly seen: Frame[] = [];
  readonly socket: Socket;

  constructor() {
    mkdirSync(join(this.folder, "stage"));
    preparePlacement(this.#cgroup);
    const flags = ["--single-threaded", "--v8-pool-size=0", join(checkout, "dist/zygote.cjs")];
    this.#child = spawn(process.execPath, flags, { cwd: "/", stdio: ["ignore", "ignore", "ignore", "pipe"] });
    this.socket = this.#child.stdio[3] as Socket;
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk: Buffer) => {
      this.#frames.push(chunk);
      for (let frame = this.#frames.next(); frame !== null; frame = this.#frames.next()) this.seen.push(frame);
    });
    this.socket.write(
      encodeJson(MessageType.configure, { cgroup: this.#cgroup, stage: join(this.folder, "stage"), idLocks }),
    );
  }

  async sees(type: number, job?: string): Promise<void> {
    const found = () =>
      this.seen.some(
        (frame) => frame.type === type && (job === undefined || JSON.parse(frame.payload.toString()).job === job),
      );
    while (!found()) {
      assert.is(this.#child.exitCode, null, "the zygote lives");
      await setTimeout(5);
    }
  }

  start(job: string, argv: readonly string[]): void {
    const folder = join(this.folder, job);
    mkdirSync(folder);
    for (const stream of ["stdout", "stderr"]) writeFileSync(join(folder, stream), "");
    this.socket.write(
      encodeJson(MessageType.start, {
        job,
        folder,
        spec: specOf({ argv }, { defaultHostname: "sandbox", network: { kind: "none" }, seccomp: [] }),
        disks: [],
        bound: true,
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, "exit");
    this.socket.destroy();
    await exited;
    sweepJobs(this.#cgroup, new Set());
    while (removePlacement(this.#cgroup).length > 0) await setTimeout(10);
    rmSync(this.folder, { recursive: true });
  }
}
