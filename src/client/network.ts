import { NetcheckRequest, type NetcheckResponse, NetworkService } from "../gen/podium.ts";
import { promptMs, unary } from "./call.ts";
import type { Podium } from "./connect.ts";

/** Whether a target is reachable from inside a running job. Throws CallFailure, FAILED_PRECONDITION when it has ended. */
export function netcheck(podium: Podium, id: bigint, target: string, signal?: AbortSignal): Promise<NetcheckResponse> {
  const request = NetcheckRequest.create({ id, target });
  return unary(podium, NetworkService.netcheck, request, { signal, timeoutMs: promptMs });
}
