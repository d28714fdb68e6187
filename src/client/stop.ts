import { StopperService, StopRequest } from "../gen/podium.ts";
import { promptMs, unary } from "./call.ts";
import { successOf } from "./call-failure.ts";
import type { Podium } from "./connect.ts";

export interface StopOptions {
  /** Name with or without SIG, or number; default TERM. */
  readonly signal?: string | undefined;
  /** Milliseconds until whatever is left is killed; default 10000. */
  readonly graceMs?: number | undefined;
}

const defaultGraceMs = 10_000;

/** Resolves when no process of the job is left. Throws JobFailure, CallFailure. */
export async function stopJob(podium: Podium, id: bigint, options: StopOptions = {}): Promise<void> {
  const { signal = "", graceMs = defaultGraceMs } = options;
  const request = StopRequest.create({ id, signal, graceMs: BigInt(graceMs) });
  const { response } = await unary(podium, StopperService.stop, request, { timeoutMs: graceMs + promptMs });
  successOf(response);
}
