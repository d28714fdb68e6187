// Why a server cannot be reached, in words. grpc-js says UNAVAILABLE to everything from a wrong port to a revoked
// certificate; so after a failure the handshake is made once more by hand, and its own error tells which it was.
import { connect, type TLSSocket } from "node:tls";
import type { Connection } from "./credentials.ts";
import { checkHost, serverNameOf } from "./server-name.ts";

export type ConnectFailureKind =
  | "unknown-host"
  | "unreachable"
  | "not-podium"
  | "server-untrusted"
  | "server-name"
  | "certificate-refused"
  | "lost";

/** One sentence that names the server and the reason, and the mend. */
export class ConnectFailure extends Error {
  override readonly name = "ConnectFailure";
  readonly kind: ConnectFailureKind;
  readonly mend: string;

  constructor(kind: ConnectFailureKind, message: string, mend: string, cause: unknown) {
    super(message, { cause });
    this.kind = kind;
    this.mend = mend;
  }
}

const probeTimeoutMs = 5_000;

/** What lies behind an UNAVAILABLE: makes one connection to find out, at most 5 seconds long. Never rejects. */
export async function explainConnectFailure(error: unknown, connection: Connection): Promise<ConnectFailure> {
  const found = await probe(connection);
  const describe = descriptions[found.kind];
  const { message, mend } = describe(connection, found.reason);
  return new ConnectFailure(found.kind, message, mend, error);
}

interface Finding {
  readonly kind: ConnectFailureKind;
  readonly reason: string;
}

/** Shakes hands and waits for the server's first HTTP/2 frame: with TLS 1.3 a refused client learns of it only there. */
function probe(connection: Connection): Promise<Finding> {
  const { host, port } = connection.server;
  return new Promise((resolve) => {
    let shaken = false;
    const socket: TLSSocket = connect({
      host,
      port,
      secureContext: connection.secureContext,
      ...serverNameOf(connection.server),
      ALPNProtocols: ["h2"],
      checkServerIdentity: (_name, peer) => checkHost(connection.server, peer),
    });
    const finish = (finding: Finding): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(finding);
    };
    const timer = setTimeout(() => finish(silence(shaken)), probeTimeoutMs);
    socket.once("secureConnect", () => {
      shaken = true;
    });
    socket.once("data", () => finish({ kind: "lost", reason: "" }));
    socket.on("error", (error: NodeJS.ErrnoException) => finish(classify(error, shaken)));
    socket.once("close", () => finish(closed(shaken)));
  });
}

function silence(shaken: boolean): Finding {
  return shaken
    ? { kind: "not-podium", reason: "it does not speak HTTP/2" }
    : { kind: "unreachable", reason: "no answer within 5 seconds" };
}

function closed(shaken: boolean): Finding {
  if (shaken) return { kind: "certificate-refused", reason: "" };
  return { kind: "not-podium", reason: "it closed the connection before the TLS handshake" };
}

const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ETIMEDOUT: "no answer",
  EADDRNOTAVAIL: "the address cannot be used from this machine",
};

/** By the code of node:net, node:dns, node:tls or OpenSSL. */
function classify(error: NodeJS.ErrnoException, shaken: boolean): Finding {
  const code = error.code ?? "";
  const reason = unreachable[code];
  if (reason !== undefined) return { kind: "unreachable", reason };
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || code === "ENODATA") return { kind: "unknown-host", reason: code };
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return { kind: "server-name", reason: certifiedNames(error) };
  if (shaken || /ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA)|CERTIFICATE_(REQUIRED|REVOKED|EXPIRED)$/.test(code)) {
    return { kind: "certificate-refused", reason: "" };
  }
  if (/^(CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_)/.test(code)) {
    return { kind: "server-untrusted", reason: code === "CERT_HAS_EXPIRED" ? "it has expired" : error.message };
  }
  return { kind: "not-podium", reason: error.message.replace(/^[0-9A-F]+:error:[0-9A-F]+:/, "").trim() };
}

/** What the server's certificate is good for, from Node's error. */
function certifiedNames(error: Error & { cert?: { subjectaltname?: string } }): string {
  return (error.cert?.subjectaltname ?? "").replaceAll("DNS:", "").replaceAll("IP Address:", "");
}

interface Description {
  readonly message: string;
  readonly mend: string;
}

const descriptions: Readonly<Record<ConnectFailureKind, (connection: Connection, reason: string) => Description>> = {
  "unknown-host": ({ name, server }) => ({
    message: `cannot connect to ${name}: the name ${server.host} is not known`,
    mend: "check the server address of the profile or of --server",
  }),
  unreachable: ({ name }, reason) => ({
    message: `cannot connect to ${name}: ${reason}`,
    mend: "check that podium serve runs there and that no firewall is between",
  }),
  "not-podium": ({ name }, reason) => ({
    message: `cannot connect to ${name}: no podium server answers there: ${reason}`,
    mend: "check the port of the profile or of --server",
  }),
  "server-untrusted": ({ name }, reason) => ({
    message: `cannot trust ${name}: its certificate does not come from the authority of the profile: ${reason}`,
    mend: "use the profile that this server's administrator issued; after a new podium certs init, old profiles are void",
  }),
  "server-name": ({ name, server }, reason) => ({
    message: `cannot trust ${name}: its certificate is not for ${server.host}, but for ${reason || "no name at all"}`,
    mend: `make the server's certificate with: podium certs init --host ${server.host}`,
  }),
  "certificate-refused": ({ name, certificate }) => ({
    message: `${name} refused the client certificate ${certificate.serialNumber} (${oneLine(certificate.subject)})`,
    mend: "it is revoked, or not from the authority of that server: ask the administrator to issue a new one",
  }),
  lost: ({ name }) => ({
    message: `the connection to ${name} was lost; the server answers again now`,
    mend: "try again",
  }),
};

function oneLine(subject: string | undefined): string {
  return (subject ?? "no subject").replaceAll("\n", ", ");
}
