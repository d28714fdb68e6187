import { type InfoResponse, InfoService } from "../gen/podium.ts";
import { promptMs, unary } from "./call.ts";
import type { Podium } from "./connect.ts";

/** What the server is, who it takes the caller for, and what the caller may have. Throws CallFailure. */
export function serverInfo(podium: Podium, signal?: AbortSignal): Promise<InfoResponse> {
  return unary(podium, InfoService.info, {}, { signal, timeoutMs: promptMs });
}
