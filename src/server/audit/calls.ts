// Every gRPC call, of every service, into the audit log: an interceptor, so that no service has to think of it.
import { type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";
import { type Peer, peerOf } from "../connections.ts";
import {
  type Around,
  type AuthContext,
  ForwardedCall,
  type Listener,
  type SendMessage,
  type Status,
} from "../forwarded-call.ts";
import { holderOf } from "../identity.ts";
import type { Decision } from "./line.ts";
import type { AuditLog } from "./log.ts";

/** A call that has not been refused by then has been let in: a stream may go on for days. */
const decidedAfterMs = 250;
/** What goes on while no line can be written: Start answers for itself, the others read or end something. */
const goesOn =
  /^(Starter\/Start|Jobs\/Run|Status\/Status|Logger\/.*|Stopper\/Stop|Jobs\/(List|Wait|Remove|Stats)|Network\/Netcheck|Info\/Info|grpc\.health\..*)$/;
/** The calls of Start's requests that are being served, for those that know more than the messages say. */
const served = new WeakMap<object, AuditedCall>();

export function auditing(audit: AuditLog): Around {
  return (method, call, own) => new AuditedCall(audit, method.path, call, peerOf(own));
}

/** Start's job has an id: the call was let in, however long the command takes to start. */
export function auditAccepted(request: object, job: number): void {
  served.get(request)?.decided("allowed", "", job);
}

/** They answer when the command runs, or has failed to. */
const starts: readonly string[] = ["Starter/Start", "Jobs/Run"];

class AuditedCall extends ForwardedCall {
  readonly #audit: AuditLog;
  readonly #name: string;
  readonly #timer: NodeJS.Timeout | null;
  readonly #peer: Peer;
  #job: number | null = null;
  #written = false;

  constructor(audit: AuditLog, path: string, call: ServerInterceptingCallInterface, peer: Peer) {
    super(call);
    this.#audit = audit;
    this.#name = path.replace(/^\/(podium\.)?/, "");
    this.#peer = peer;
    const decide = () => this.decided("allowed");
    this.#timer = starts.includes(this.#name) ? null : setTimeout(decide, decidedAfterMs).unref();
  }

  override start(listener: Listener): void {
    super.start({
      onReceiveMetadata: (metadata) => {
        const refusal = this.refusal();
        if (refusal === null) return listener.onReceiveMetadata(metadata);
        this.decided("refused", refusal);
        this.sendStatus({ code: status.UNAVAILABLE, details: refusal });
      },
      onReceiveMessage: (message) => {
        this.asked(message);
        listener.onReceiveMessage(message);
      },
      onReceiveHalfClose: () => listener.onReceiveHalfClose(),
      onCancel: () => {
        this.decided("allowed");
        listener.onCancel();
      },
    });
  }

  override sendMessage(...[message, sent]: Parameters<SendMessage>): void {
    this.answered(message);
    super.sendMessage(message, sent);
  }

  override sendStatus(ending: Status): void {
    this.ended(ending);
    super.sendStatus(ending);
  }

  override getAuthContext(): AuthContext {
    return this.#peer.auth;
  }

  /** Why the call must not be served; null: it may. */
  refusal(): string | null {
    const failure = goesOn.test(this.#name) ? null : this.#audit.failure();
    return failure === null ? null : `nothing is changed that cannot be written down: the audit log: ${failure}`;
  }

  asked(message: object): void {
    if (starts.includes(this.#name)) served.set(startOf(message), this);
    this.#job ??= jobOf(message) ?? jobOf(openingOf(message));
  }

  /** In-band failures are refusals too. */
  answered(message: object): void {
    const { response } = startedOf(message) as {
      response?: { $case: string; value: { id?: bigint; msg?: string } };
    };
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
    const { user, serial, fingerprint } = holderOf(this.#peer.auth.sslPeerCertificate);
    const who = { user, serial, fingerprint, peer: this.#peer.address };
    this.#audit.write({ ...who, call: this.#name, job, decision, reason });
  }
}

/** What a RunRequest starts; else the message is what. */
function startOf(message: object): object {
  const { start } = message as { start?: unknown };
  return typeof start === "object" && start !== null ? start : message;
}

/** What the first message of Run has from Start. */
function startedOf(message: object): object {
  const { event } = message as { event?: { $case: string; value: object } };
  return event?.$case === "started" ? event.value : message;
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
