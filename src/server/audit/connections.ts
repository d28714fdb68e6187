// Connections that the TLS handshake refuses, into the audit log, where they showed a certificate.
import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Server } from "@grpc/grpc-js";
import { listenersOf } from "../connections.ts";
import { holderOf } from "../identity.ts";
import type { AuditLog } from "./log.ts";

/** A stranger with a certificate of his own must not wash the log away: so many lines in a minute, then their count. */
const linesPerMinute = 60;
const minuteMs = 60_000;

/** Call it when the server listens. */
export function auditConnections(server: Server, audit: AuditLog): void {
  const refused = new RefusedConnections(audit);
  for (const listener of listenersOf(server)) {
    // node:tls forgets the certificate before it tells of the refusal. `keylog` is the one event that shows the connection
    // earlier; its secrets are not looked at.
    const seen = new WeakSet<TLSSocket>();
    listener.on("keylog", (_secret: Buffer, socket: TLSSocket) => {
      if (seen.has(socket)) return;
      seen.add(socket);
      socket.prependOnceListener("secure", () => refused.look(socket));
    });
  }
}

interface TlsHandle {
  verifyError(): (Error & { code?: string }) | undefined;
}

class RefusedConnections {
  readonly #audit: AuditLog;
  #since = 0;
  #count = 0;

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  look(socket: TLSSocket): void {
    const { verifyError } = Reflect.get(socket, "_handle") as TlsHandle;
    const error = verifyError.call(Reflect.get(socket, "_handle"));
    const raw = socket.getPeerCertificate().raw as Buffer | undefined;
    if (error === undefined || error === null || raw === undefined) return;
    const { fingerprint256 } = new X509Certificate(raw);
    const who = { ...pick(holderOf({ raw, fingerprint256 })), peer: `${socket.remoteAddress}:${socket.remotePort}` };
    const now = performance.now();
    if (now - this.#since > minuteMs) this.#nextMinute(now);
    if (++this.#count > linesPerMinute) return;
    const reason = `${error.code ?? ""}: ${error.message}`;
    this.#audit.write({ ...who, call: "TLS", job: null, decision: "refused", reason });
  }

  #nextMinute(now: number): void {
    const more = this.#count - linesPerMinute;
    const none = {
      user: "",
      serial: "",
      fingerprint: "",
      peer: "",
      call: "TLS",
      job: null,
      decision: "refused",
    } as const;
    if (more > 0) this.#audit.write({ ...none, reason: `${more} more connections were refused` });
    [this.#since, this.#count] = [now, 0];
  }
}

function pick({ user, serial, fingerprint }: { user: string; serial: string; fingerprint: string }) {
  return { user, serial, fingerprint };
}
