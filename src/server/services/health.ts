import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
  type HealthServer,
} from "../../gen/health.ts";
import { type CallContext, type Send, streaming, unary } from "../calls.ts";
import { NoSuchService } from "../failures.ts";

const { SERVING, SERVICE_UNKNOWN, NOT_SERVING } = HealthCheckResponse_ServingStatus;

/** grpc.health.v1 for the services named, and for the server as a whole (""). */
export function health(services: readonly string[], context: CallContext): HealthServer {
  const known = new Set(["", ...services]);
  return {
    check: unary(context, "Check", (_caller, { service }: HealthCheckRequest): HealthCheckResponse => {
      if (!known.has(service)) throw new NoSuchService(service);
      return { status: context.ending.aborted ? NOT_SERVING : SERVING };
    }),
    watch: streaming(
      context,
      "Watch",
      async (_caller, { service }: HealthCheckRequest, send: Send<HealthCheckResponse>, signal) => {
        if (!(await send({ status: known.has(service) ? SERVING : SERVICE_UNKNOWN }))) return;
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    ),
  };
}
