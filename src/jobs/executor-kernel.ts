// The part of the seam that is about the kernel: what a job needs of it is asked before anything of the job is made, with the
// trials that `podium doctor` runs, so that the two never disagree. They cost a process, so the first job that is in need pays.
import { closeSync } from "node:fs";
import type { Check } from "../../sandbox/requirements/check.ts";
import { examineKernel, type Kernel } from "../../sandbox/requirements/client.ts";
import { overlayCheck } from "../../sandbox/requirements/names.ts";
import { tryMapping } from "../../sandbox/setup/mapping.ts";
import { Refusal } from "../../sandbox/setup/step.ts";
import type { SandboxSpec } from "../../sandbox/spec.ts";
import { Unenforceable } from "./errors.ts";

/** What was found wanting is believed for so long: the administrator may be mending it. */
const freshMs = 1_000;

type Needs = Pick<SandboxSpec, "rootfs" | "grants">;

export class KernelNeeds {
  readonly #ask: () => Promise<Kernel>;
  readonly #nowMs: () => number;
  #kernel: Kernel | null = null;
  #examining: Promise<Kernel> | null = null;
  #examinedMs = Number.NEGATIVE_INFINITY;
  #doubted = false;

  constructor(ask = examineKernel, nowMs = () => performance.now()) {
    [this.#ask, this.#nowMs] = [ask, nowMs];
  }

  /** A job's set-up has failed where the kernel may be the cause: the next job asks first, whatever it needs. */
  doubt(): void {
    this.#doubted = true;
  }

  /** Resolves when the kernel can do what the job needs. Throws Unenforceable with doctor's reason and mend. */
  async demand(needs: Needs): Promise<void> {
    if (!this.#doubted && needs.rootfs === null && needs.grants.length === 0) return;
    const kernel = await this.#sufficient(needs);
    if (kernel.userNamespace !== null) refuseUnmappable(needs, kernel.userNamespace);
  }

  async #sufficient(needs: Needs): Promise<Kernel> {
    const known = this.#kernel;
    if (known !== null && !this.#doubted && lack(known, needs) === undefined) return known;
    const kernel = this.#nowMs() - this.#examinedMs < freshMs && known !== null ? known : await this.#examine();
    const found = lack(kernel, needs);
    this.#doubted = kernel.checks.some(({ ok, required }) => required && !ok);
    if (found !== undefined) throw new Unenforceable(`${found.name}: ${found.detail}; ${found.mend}`);
    return kernel;
  }

  #examine(): Promise<Kernel> {
    this.#examining ??= this.#examineNow().finally(() => {
      this.#examining = null;
    });
    return this.#examining;
  }

  async #examineNow(): Promise<Kernel> {
    const kernel = await this.#ask();
    this.close();
    [this.#kernel, this.#examinedMs] = [kernel, this.#nowMs()];
    return kernel;
  }

  close(): void {
    if (this.#kernel !== null && this.#kernel.userNamespace !== null) closeSync(this.#kernel.userNamespace);
    this.#kernel = null;
  }
}

function lack({ checks }: Kernel, { rootfs }: Needs): Check | undefined {
  const needsOverlay = rootfs !== null && rootfs.mode !== "rw";
  return checks.find(({ name, ok, required }) => !ok && (required || (needsOverlay && name === overlayCheck)));
}

/** The zygote has left what is mounted there, so a job that sees a folder above does not see that. */
const leftByZygote = "/run/netns/";

/** Each folder of the host that the job is to see, as it is to see it. What else is wrong with one is told by its step. */
function refuseUnmappable({ rootfs, grants }: Needs, userNamespace: number): void {
  const folders = [
    ...(rootfs === null ? [] : [{ field: "rootfs", path: rootfs.path, recursive: false }]),
    ...grants.map(({ source }) => ({ field: "grants", path: source, recursive: true })),
  ];
  for (const { field, path, recursive } of folders) {
    if (leftByZygote.startsWith(path === "/" ? path : `${path}/`)) continue; // its step tells
    try {
      tryMapping(path, recursive, userNamespace);
    } catch (error) {
      if (error instanceof Refusal) throw new Unenforceable(`${field}: ${error.message}`);
    }
  }
}
