import { StarterService, type StartRequest } from "../gen/podium.ts";
import { promptMs, unary } from "./call.ts";
import { successOf } from "./call-failure.ts";
import type { Podium } from "./connect.ts";

/**
 * Starts a job and resolves with its id once the command has been exec'd. Throws JobFailure, whose `id` names the FAILED
 * job when its code is START_FAILED, and CallFailure. Aborting does not take back what the server has begun.
 */
export async function startJob(podium: Podium, request: StartRequest, signal?: AbortSignal): Promise<bigint> {
  const options = { signal, timeoutMs: promptMs };
  const { response } = await unary(podium, StarterService.start, request, options);
  return successOf(response).id;
}
