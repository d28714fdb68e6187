// The network agent: a process of the server's that makes and removes networks, because requests to the kernel wait there
// for whoever holds its lock (a namespace that dies holds it for tens of milliseconds), and the server must not.
//
//   server (NetworkAgent) ──{id, call, …}──▶ agent (main.ts) ──netlink, nft──▶ kernel
//                         ◀─{id, result | failure}──
//
// One message is one request or its answer, as JSON over the IPC channel of child_process. The agent ends with the channel;
// what it made stays, and the next one is told what to keep.
import { NetworkError, type NetworkErrorCode } from "../errors.ts";
import type { JobNetwork, NetworkRequest, NetworkSettings } from "../job-network.ts";

export type Call =
  | { readonly call: "open"; readonly settings: NetworkSettings; readonly kept: readonly JobNetwork[] }
  | { readonly call: "make" }
  | { readonly call: "assign"; readonly network: JobNetwork; readonly request: NetworkRequest }
  | { readonly call: "release"; readonly network: JobNetwork }
  | { readonly call: "foreignDrops" }
  | { readonly call: "close" };

export type CallMessage = Call & { readonly id: number };

export interface Failure {
  readonly code: NetworkErrorCode;
  readonly message: string;
  readonly mend: string;
  readonly field: string;
}

export interface AnswerMessage {
  readonly id: number;
  readonly result?: unknown;
  readonly failure?: Failure;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof NetworkError) {
    const { code, message, mend, field } = error;
    return { code, message, mend, field };
  }
  return { code: "failed", message: (error as Error).message, mend: "", field: "" };
}

export function errorOf({ code, message, mend, field }: Failure): NetworkError {
  return new NetworkError(code, message, mend, field);
}
