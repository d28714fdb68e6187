// The server's certificate files: read, checked, and turned into what node:tls wants.
import { constants, type X509Certificate } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SecureContextOptions } from "node:tls";
import {
  checkAuthority,
  checkDates,
  checkPair,
  checkPurpose,
  checkStrength,
  parseCertificateChain,
  parseCertificates,
  parseKey,
} from "../certs/checks.ts";
import { type Crl, readCrl } from "../certs/crl.ts";
import { defaultCertsFolder } from "../certs/defaults.ts";
import { CredentialError } from "../certs/failure.ts";
import { attempt, readText } from "../certs/files.ts";
import { certificateNames } from "../certs/name.ts";

export interface ServerFiles {
  /** Authorities whose users are let in, PEM, one or more. */
  readonly ca: string;
  /** The server's certificate, its chain behind it. */
  readonly cert: string;
  readonly key: string;
  /** Revocation lists, PEM, one for each authority. */
  readonly crl?: string | undefined;
}

/** The flags of `podium serve`, filled up with the files of `podium certs init`; `ca.crl` beside the authority counts. */
export function serverFiles(flags: Partial<ServerFiles>, folder = defaultCertsFolder): ServerFiles {
  const ca = flags.ca ?? join(folder, "ca.crt");
  const files = { ca, cert: flags.cert ?? join(folder, "server.crt"), key: flags.key ?? join(folder, "server.key") };
  return { ...files, crl: crlFile({ ...files, crl: flags.crl }) };
}

/** The list that is named, or the `ca.crl` beside the authority, which may come later; undefined: there is none. */
export function crlFile({ ca, crl }: ServerFiles): string | undefined {
  const neighbour = join(dirname(ca), "ca.crl");
  return crl ?? (existsSync(neighbour) ? neighbour : undefined);
}

export interface LoadedFiles {
  readonly context: SecureContextOptions;
  readonly authorities: readonly X509Certificate[];
  readonly crls: readonly Crl[];
  readonly certificate: X509Certificate;
}

const initMend = "podium certs init makes the server's certificates; --ca, --cert and --key name others";

/** Reads and checks all files; throws CredentialError that names the file, the reason and the mend. */
export function loadServerFiles(files: ServerFiles, now: Date): LoadedFiles {
  const ca = readText(files.ca, initMend);
  const cert = readText(files.cert, initMend);
  const key = readText(files.key, initMend);
  const crlPath = crlFile(files);
  const crl = crlPath === undefined ? undefined : readText(crlPath);
  const authorities = checkedAuthorities(files.ca, ca, now);
  const certificate = checkedCertificate(files, cert, key, now);
  checkKeyMode(files.key);
  const crls = crl === undefined ? [] : checkedCrls(crlPath ?? "", crl, authorities, now);
  return { context: contextOf(ca, cert, key, crl), authorities, crls, certificate };
}

function checkKeyMode(path: string): void {
  const mode = attempt(path, "cannot read", () => statSync(path).mode);
  if ((mode & 0o004) === 0) return;
  throw new CredentialError(`${path}: every user of this machine can read this private key`, `chmod 600 ${path}`);
}

/** One authority that has expired may stand beside its successor; OpenSSL refuses its certificates by itself. */
function checkedAuthorities(path: string, pem: string, now: Date): X509Certificate[] {
  const authorities = parseCertificates({ label: path, pem });
  for (const authority of authorities) {
    checkAuthority(authority, path);
    checkStrength(authority, path);
  }
  const [first] = authorities;
  const anyCurrent = authorities.some((authority) => isCurrent(authority, now));
  if (first !== undefined && !anyCurrent) checkDates(first, path, now, "make a new authority, or give the current one");
  return authorities;
}

function isCurrent(certificate: X509Certificate, now: Date): boolean {
  return new Date(certificate.validFrom) <= now && now <= new Date(certificate.validTo);
}

function checkedCertificate(files: ServerFiles, pem: string, key: string, now: Date): X509Certificate {
  const [certificate] = parseCertificateChain({ label: files.cert, pem });
  checkPair(certificate, files.cert, parseKey({ label: files.key, pem: key }), files.key);
  checkStrength(certificate, files.cert);
  checkDates(certificate, files.cert, now);
  checkPurpose(certificate, files.cert, "server");
  return certificate;
}

const crlBlock = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g;

/** OpenSSL refuses every certificate of an authority whose list is missing, stale or wrongly signed: better told here. */
function checkedCrls(path: string, pem: string, authorities: readonly X509Certificate[], now: Date): Crl[] {
  const crls = [...pem.matchAll(crlBlock)].map(([, base64 = ""]) => parseCrl(path, base64));
  if (crls.length === 0) {
    throw new CredentialError(
      `${path}: holds no revocation list in PEM form`,
      "give the ca.crl of podium certs revoke",
    );
  }
  for (const authority of authorities) {
    const subject = certificateNames(authority.raw).subject.whole;
    const own = crls.find((crl) => crl.issuer.equals(subject) && crl.signedBy(authority.publicKey));
    const name = authority.subject.replaceAll("\n", ", ");
    if (own === undefined) {
      throw new CredentialError(`${path}: has no revocation list of the authority ${name}`, "add its list to the file");
    }
    if (own.nextUpdate !== null && own.nextUpdate < now) {
      const mend = "make a new one: podium certs revoke, or openssl ca -gencrl";
      throw new CredentialError(`${path}: the list of ${name} ran out on ${own.nextUpdate.toISOString()}`, mend);
    }
  }
  return crls;
}

function parseCrl(path: string, base64: string): Crl {
  try {
    return readCrl(Buffer.from(base64, "base64"));
  } catch (error) {
    throw new CredentialError(`${path}: the revocation list cannot be read: ${(error as Error).message}`, "", error);
  }
}

/**
 * TLS 1.3 alone. All of it belongs into the context and not into the server's options, which a reload does not read
 * again. Security level 2 refuses peers with RSA below 2048 bits and SHA-1 signatures, which OpenSSL would accept;
 * the one older suite only carries it, for without one node:tls has no place to say it. No tickets: a resumed session
 * is not checked against the revocation lists.
 */
function contextOf(ca: string, cert: string, key: string, crl: string | undefined): SecureContextOptions {
  return {
    ca,
    cert,
    key,
    ...(crl === undefined ? {} : { crl: splitCrls(crl) }),
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ciphers: [
      "TLS_AES_256_GCM_SHA384",
      "TLS_CHACHA20_POLY1305_SHA256",
      "TLS_AES_128_GCM_SHA256",
      "ECDHE-ECDSA-AES256-GCM-SHA384",
      "@SECLEVEL=2",
    ].join(":"),
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** node:tls reads the first list of each text only. */
function splitCrls(pem: string): string[] {
  return pem.match(crlBlock) ?? [];
}
