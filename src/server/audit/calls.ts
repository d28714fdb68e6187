// Every gRPC call, of every service, into the audit log: an interceptor, so that no service has to think of it.
import {
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  ServerListenerBuilder,
  status,
} from "@grpc/grpc-js";
import { holderOf } from "../identity.ts";
import type { Decision } from "./line.ts";
import type { AuditLog } from "./log.ts";

type AuthContext = ReturnType<ServerInterceptingCallInterface["getAuthContext"]>;

/** A call that has not been refused by then has been let in: a stream may go on for days. */
const decidedAfterMs = 250;
/** What goes on while no line can be written: Start answers for itself, the others read or end something. */
const goesOn =
  /^(Starter\/Start|Status\/Status|Logger\/.*|Stopper\/Stop|Jobs\/(List|Wait|Remove|Stats)|Network\/Netcheck|Info\/Info|grpc\.health\..*)$/;
/** The calls of requests that are being served, for those that know more than the messages say. */
const served = new WeakMap<object, AuditedCall>();

export function auditing(audit: AuditLog): ServerInterceptor {
  return (method, call) => new AuditedCall(audit, method.path, call);
}

/** Start's job has an id: the call was let in, however long the command takes to start. */
export function auditAccepted(request: object, job: number): void {
  served.get(request)?.decided("allowed", "", job);
}

class AuditedCall extends ServerInterceptingCall {
  readonly #audit: AuditLog;
  readonly #name: string;
  readonly #timer: NodeJS.Timeout | null;
  #auth: AuthContext | null = null;
  #job: number | null = null;
  #written = false;

  constructor(audit: AuditLog, path: string, call: ServerInterceptingCallInterface) {
    super(
      call,
      responderFor(() => this),
    );
    this.#audit = audit;
    this.#name = path.replace(/^\/(podium\.)?/, "");
    const decide = () => this.decided("allowed");
    this.#timer = this.#name === "Starter/Start" ? null : setTimeout(decide, decidedAfterMs).unref();
  }

  /** Asked twice for each call, and dear. */
  override getAuthContext(): AuthContext {
    this.#auth ??= super.getAuthContext();
    return this.#auth;
  }

  /** Why the call must not be served; null: it may. */
  refusal(): string | null {
    const failure = goesOn.test(this.#name) ? null : this.#audit.failure();
    return failure === null ? null : `nothing is changed that cannot be written down: the audit log: ${failure}`;
  }

  asked(message: object): void {
    served.set(message, this);
    this.#job ??= jobOf(message) ?? jobOf(openingOf(message));
  }

  /** In-band failures are refusals too. */
  answered(message: object): void {
    const { response } = message as { response?: { $case: string; value: { id?: bigint; msg?: string } } };
    if (response?.$case === "failure") this.decided("refused", response.value.msg);
    else if (this.#job === null && response?.$case === "success") this.#job = jobOf(response.value);
  }

  ended({ code = status.OK, details = "" }: { code?: status; details?: string | null }): void {
    if (code === status.OK || code === status.CANCELLED || code === status.UNAVAILABLE) this.decided("allowed");
    else this.decided(code === status.INTERNAL || code === status.UNKNOWN ? "failed" : "refused", details ?? "");
  }

  decided(decision: Decision, reason = "", job = this.#job): void {
    if (this.#written) return;
    this.#written = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const { user, serial, fingerprint } = holderOf(this.getAuthContext().sslPeerCertificate);
    const who = { user, serial, fingerprint, peer: this.getPeer() };
    this.#audit.write({ ...who, call: this.#name, job, decision, reason });
  }
}

function responderFor(self: () => AuditedCall) {
  const listener = new ServerListenerBuilder()
    .withOnReceiveMetadata((metadata, next) => {
      const refusal = self().refusal();
      if (refusal === null) return next(metadata);
      self().decided("refused", refusal);
      self().sendStatus({ code: status.UNAVAILABLE, details: refusal });
    })
    .withOnReceiveMessage((message, next) => {
      self().asked(message);
      next(message);
    })
    .withOnCancel(() => self().decided("allowed"))
    .build();
  return new ResponderBuilder()
    .withStart((next) => next(listener))
    .withSendMessage((message, next) => {
      self().answered(message);
      next(message);
    })
    .withSendStatus((ending, next) => {
      self().ended(ending);
      next(ending);
    })
    .build();
}

/** The first message of a stream that is opened by one. */
function openingOf(message: object): object {
  const { request } = message as { request?: { value?: unknown } };
  return typeof request?.value === "object" && request.value !== null ? request.value : {};
}

function jobOf(message: object): number | null {
  const { id } = message as { id?: unknown };
  return typeof id === "bigint" && id > 0n ? Number(id) : null;
}
