// The two nftables tables of one DATA. They are a function of what the server knows, written whole when it starts: whatever
// a crash left is replaced in the same transaction, so there is no moment without rules. After that each job is one small change.
import type { AddressPlan } from "./address-pool.ts";
import { applyRules } from "./nft.ts";
import { isDefaultPolicy, type JobPolicy, type ServerPolicy } from "./policy.ts";
import { bridgeAddition, jobAddition, jobRemoval, type RulesetInput, removal, ruleset } from "./ruleset.ts";

export class Firewall {
  readonly #tag: string;
  readonly #plan: AddressPlan;
  readonly #server: ServerPolicy;
  readonly #jobs = new Map<number, JobPolicy>();
  #bridges = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(tag: string, plan: AddressPlan, server: ServerPolicy) {
    this.#tag = tag;
    this.#plan = plan;
    this.#server = server;
  }

  /** Writes both tables for this many bridges and the jobs that live on. */
  install(bridges: number, jobs: ReadonlyMap<number, JobPolicy>): Promise<void> {
    this.#bridges = bridges;
    for (const [slot, policy] of jobs) if (!isDefaultPolicy(policy)) this.#jobs.set(slot, policy);
    return this.#apply(() => ruleset(this.#input()));
  }

  async addBridge(bridge: number): Promise<void> {
    await this.#apply(() => bridgeAddition(this.#input(), bridge));
    this.#bridges = Math.max(this.#bridges, bridge + 1);
  }

  /** Nothing of it is in force when this rejects. */
  async addJob(slot: number, policy: JobPolicy): Promise<void> {
    if (isDefaultPolicy(policy)) return;
    await this.#apply(() => jobAddition(this.#input(), slot, policy));
    this.#jobs.set(slot, policy);
  }

  /** Not before `cut` is settled, and before every change that is asked for after this. */
  async removeJob(slot: number, cut: Promise<void> = Promise.resolve()): Promise<void> {
    const policy = this.#jobs.get(slot);
    if (policy === undefined) return;
    this.#jobs.delete(slot);
    await this.#apply(() => jobRemoval(this.#input(), slot, policy), cut);
  }

  /** Removes the tables, and with them everything. */
  remove(): Promise<void> {
    return this.#apply(() => removal(this.#tag));
  }

  #input(): RulesetInput {
    return { tag: this.#tag, plan: this.#plan, server: this.#server, bridges: this.#bridges, jobs: this.#jobs };
  }

  #apply(text: () => string, after: Promise<void> = Promise.resolve()): Promise<void> {
    const done = Promise.allSettled([this.#last, after]).then(() => applyRules(text()));
    this.#last = done.catch(() => {}); // its own caller hears of it
    return done;
  }
}
