// From a profile to what grpc-js needs for a channel.
import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import type { ChannelCredentials, ChannelOptions } from "@grpc/grpc-js";
import {
  checkDates,
  checkPair,
  checkPurpose,
  checkStrength,
  parseCertificateChain,
  parseCertificates,
  parseKey,
} from "../certs/checks.ts";
import { TlsCredentials } from "./channel-credentials.ts";
import { formatServer, type Profile, type ServerAddress } from "./profile.ts";

/** Everything for `new Client(connection.target, connection.credentials, connection.options)`. */
export interface Connection {
  /** The server as users write it: HOST:PORT. */
  readonly name: string;
  readonly server: ServerAddress;
  /** The server as grpc-js wants it. */
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
  readonly secureContext: SecureContext;
  /** The user's own certificate. */
  readonly certificate: X509Certificate;
}

/** Checks the credentials and makes them ready; throws CredentialError. Opens no connection. */
export function connectionFor(profile: Profile, now = new Date()): Connection {
  const certificate = checkedCertificate(profile, now);
  const { server } = profile;
  parseCertificates(profile.ca);
  const secureContext = createSecureContext({
    ca: profile.ca.pem,
    cert: profile.certificate.pem,
    key: profile.key.pem,
    minVersion: "TLSv1.3",
  });
  return {
    name: formatServer(server),
    server,
    target: targetOf(server),
    credentials: new TlsCredentials(server, secureContext),
    options: optionsFor(server),
    secureContext,
    certificate,
  };
}

function checkedCertificate(profile: Profile, now: Date): X509Certificate {
  const { label } = profile.certificate;
  const [certificate] = parseCertificateChain(profile.certificate);
  checkPair(certificate, label, parseKey(profile.key), profile.key.label);
  checkStrength(certificate, label);
  checkDates(certificate, label, now, "ask the server's administrator for a new one (podium certs issue)");
  checkPurpose(certificate, label, "client");
  return certificate;
}

function targetOf(server: ServerAddress): string {
  const family = isIP(server.host);
  return `${family === 0 ? "dns" : `ipv${family}`}:${formatServer(server)}`;
}

function optionsFor(server: ServerAddress): ChannelOptions {
  // A proxy meant for the web has no way to this machine itself.
  return isLoopback(server.host) ? { "grpc.enable_http_proxy": 0 } : {};
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
