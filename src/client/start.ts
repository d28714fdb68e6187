import { randomUUID } from "node:crypto";
import { StarterService, type StartRequest } from "../gen/podium.ts";
import { unary } from "./call.ts";
import { isInterruption, successOf } from "./call-failure.ts";
import { type Podium, whetherItStood } from "./connect.ts";
import { Patience } from "./resume.ts";

/** The request with an id of its own, so that asking again cannot start a second job. */
export function repeatable(request: StartRequest): StartRequest {
  return request.requestId === "" ? { ...request, requestId: randomUUID() } : request;
}

/**
 * Starts a job and resolves with its id once the command has been exec'd. Asks again by itself, with the same request id,
 * when a connection that stood is lost; throws ConnectionLost when it does not come back. Throws JobFailure, whose `id`
 * names the FAILED job when its code is START_FAILED, and CallFailure. Aborting does not take back what the server has begun.
 */
export async function startJob(podium: Podium, wanted: StartRequest, signal?: AbortSignal): Promise<bigint> {
  const request = repeatable(wanted);
  const stood = whetherItStood(podium);
  const patience = new Patience(podium);
  for (;;) {
    try {
      const { response } = await unary(podium, StarterService.start, request, { signal });
      return successOf(response).id;
    } catch (error) {
      if (isInterruption(error) && !stood()) throw error; // a server that is not there is told at once
      await patience.afterFailure(error, signal);
    }
  }
}
