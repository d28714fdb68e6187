// A call as an interceptor of grpc-js hands it on. grpc-js's own class for that is made for interceptors that answer later, keeps
// an account of what they hold back, and costs each call four functions for each step. podium's answer at once.
import type { ServerInterceptingCall, ServerInterceptingCallInterface, ServerInterceptor } from "@grpc/grpc-js";

export type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];
export type SendMessage = ServerInterceptingCallInterface["sendMessage"];
export type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];
export type AuthContext = ReturnType<ServerInterceptingCallInterface["getAuthContext"]>;

export class ForwardedCall implements ServerInterceptingCallInterface {
  readonly #next: ServerInterceptingCallInterface;

  constructor(next: ServerInterceptingCallInterface) {
    this.#next = next;
  }

  start(listener: Listener): void {
    this.#next.start(listener);
  }

  sendMetadata(...metadata: Parameters<ServerInterceptingCallInterface["sendMetadata"]>): void {
    this.#next.sendMetadata(...metadata);
  }

  sendMessage(...[message, sent]: Parameters<SendMessage>): void {
    this.#next.sendMessage(message, sent);
  }

  sendStatus(status: Status): void {
    this.#next.sendStatus(status);
  }

  startRead(): void {
    this.#next.startRead();
  }

  getPeer(): string {
    return this.#next.getPeer();
  }

  getDeadline(): ReturnType<ServerInterceptingCallInterface["getDeadline"]> {
    return this.#next.getDeadline();
  }

  getHost(): string {
    return this.#next.getHost();
  }

  getAuthContext(): AuthContext {
    return this.#next.getAuthContext();
  }

  getConnectionInfo(): ReturnType<ServerInterceptingCallInterface["getConnectionInfo"]> {
    return this.#next.getConnectionInfo();
  }

  getMetricsRecorder(): ReturnType<ServerInterceptingCallInterface["getMetricsRecorder"]> {
    return this.#next.getMetricsRecorder();
  }
}

type Method = Parameters<ServerInterceptor>[0];
/** A step of what is done around each call. `own` is grpc-js's own end of it. */
export type Around = (
  method: Method,
  call: ServerInterceptingCallInterface,
  own: ServerInterceptingCallInterface,
) => ServerInterceptingCallInterface;

/** The steps as one interceptor, the first innermost. grpc-js asks for its class and uses no more than the interface. */
export function interceptor(...steps: readonly Around[]): ServerInterceptor {
  return (method, own) => steps.reduce((call, step) => step(method, call, own), own) as ServerInterceptingCall;
}
