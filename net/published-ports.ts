// Host ports that jobs have published. Each is also bound by a socket that never listens: what already serves on the port
// is a conflict before the job starts, and nothing of the host can take the port while the job has it.
import { closeSync } from "node:fs";
import { SyscallError } from "../sandbox/sys/errors.ts";
import { claimPort } from "../sandbox/sys/port-claim.ts";
import { NetworkError } from "./errors.ts";
import type { PublishedPort } from "./policy.ts";

export class PublishedPorts {
  readonly #claims = new Map<number, number[]>();
  readonly #owners = new Map<string, number>();

  /** Takes all of a job's ports or none. Throws NetworkError (conflict) naming the port. */
  claim(slot: number, ports: readonly PublishedPort[]): void {
    const claims: number[] = [];
    try {
      for (const port of ports) claims.push(...this.#bind(port));
    } catch (error) {
      for (const fd of claims) closeSync(fd);
      throw error;
    }
    if (ports.length === 0) return;
    this.#claims.set(slot, claims);
    for (const port of ports) this.#owners.set(keyOf(port), slot);
  }

  /** The ports of a job that an earlier server started; who took one meanwhile keeps it, the rules lead past him. */
  adopt(slot: number, ports: readonly PublishedPort[]): void {
    const claims = ports.flatMap((port) => {
      try {
        return this.#bind(port);
      } catch (error) {
        if (error instanceof NetworkError) return [];
        throw error;
      }
    });
    this.#claims.set(slot, claims);
    for (const port of ports) this.#owners.set(keyOf(port), slot);
  }

  release(slot: number): void {
    for (const fd of this.#claims.get(slot) ?? []) closeSync(fd);
    this.#claims.delete(slot);
    for (const [key, owner] of this.#owners) if (owner === slot) this.#owners.delete(key);
  }

  /** A socket of IPv6 takes the port in both families. */
  #bind(port: PublishedPort): number[] {
    if (this.#owners.has(keyOf(port))) throw conflict(port, "another job has published it");
    try {
      return [claimPort(port.protocol, port.host, 6)];
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (error.code === "EADDRINUSE") throw conflict(port, "a program of the host uses it");
      if (error.code !== "EAFNOSUPPORT") throw error;
    }
    try {
      return [claimPort(port.protocol, port.host, 4)];
    } catch (error) {
      if (error instanceof SyscallError && error.code === "EADDRINUSE")
        throw conflict(port, "a program of the host uses it");
      throw error;
    }
  }
}

function keyOf({ protocol, host }: PublishedPort): string {
  return `${host}/${protocol}`;
}

function conflict(port: PublishedPort, who: string): NetworkError {
  return new NetworkError("conflict", `host port ${keyOf(port)} is taken: ${who}`, "publish another port", "publish");
}
