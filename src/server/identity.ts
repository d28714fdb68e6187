// Who calls: the one CommonName and the role of the client's certificate.
import { X509Certificate } from "node:crypto";
import { type ServerUnaryCall, status } from "@grpc/grpc-js";
import { tags } from "../certs/der.ts";
import { certificateNames, type NameAttribute, nameTypes, readName } from "../certs/name.ts";
import { isUserName, type Role, roleOrganizations, userNameMend } from "../certs/user.ts";
import type { Trust } from "./trust.ts";

export interface Identity {
  readonly user: string;
  readonly role: Role;
  /** Upper-case hexadecimal, as openssl prints it. */
  readonly serial: string;
  /** SHA-256 of the certificate, `AB:CD:…`. */
  readonly fingerprint: string;
  readonly notAfter: Date;
}

/** Not a certificate that names a user: goes to the client as UNAUTHENTICATED with this text. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
  readonly code = status.UNAUTHENTICATED;
  readonly details: string;

  constructor(message: string) {
    super(message);
    this.details = message;
  }
}

/** The part of a grpc-js call, unary or stream, that tells who is at the other end. */
export type AuthenticatedCall = Pick<ServerUnaryCall<unknown, unknown>, "getAuthContext">;

/** The caller of a call; throws IdentityError. With a trust (MutualTls), what it refuses since the handshake is refused. */
export function identityOf(call: AuthenticatedCall, trust?: Trust, now = new Date()): Identity {
  const peer = call.getAuthContext().sslPeerCertificate;
  if (peer === undefined) throw new IdentityError("the connection has no verified client certificate");
  const known = remembered(peer.fingerprint256, peer.raw);
  if (known.identity.notAfter < now) {
    throw new IdentityError(`the client certificate expired on ${known.identity.notAfter.toISOString()}`);
  }
  const refusal = trust?.refusalOf(known.certificate) ?? null;
  if (refusal !== null) throw new IdentityError(refusal);
  return known.identity;
}

/** What is known of a caller whether or not it is let in. */
export type Holder = Pick<Identity, "user" | "serial" | "fingerprint">;

/** Never throws: a certificate that names no user has `user` "", no certificate has nothing. */
export function holderOf(certificate: { readonly raw: Buffer; readonly fingerprint256: string } | undefined): Holder {
  if (certificate === undefined) return { user: "", serial: "", fingerprint: "" };
  try {
    return remembered(certificate.fingerprint256, certificate.raw).identity;
  } catch {
    const { serialNumber: serial, fingerprint256: fingerprint } = new X509Certificate(certificate.raw);
    return { user: "", serial, fingerprint };
  }
}

interface Known {
  readonly certificate: X509Certificate;
  readonly identity: Identity;
}

/** By fingerprint, the latest certificates: grpc-js shows neither connection nor session, only the certificate. */
const knownCertificates = new Map<string, Known>();
const knownLimit = 4096;

function remembered(fingerprint: string, der: Buffer): Known {
  const found = knownCertificates.get(fingerprint);
  if (found !== undefined) return found;
  const certificate = new X509Certificate(der);
  const known = { certificate, identity: identityFrom(certificate) };
  if (knownCertificates.size >= knownLimit) knownCertificates.delete(knownCertificates.keys().next().value ?? "");
  knownCertificates.set(fingerprint, known);
  return known;
}

/** Reads the subject from the certificate's DER; throws IdentityError. */
export function identityFrom(certificate: X509Certificate): Identity {
  const subject = readSubject(certificate);
  return {
    user: userOf(subject),
    role: roleOf(subject),
    serial: certificate.serialNumber,
    fingerprint: certificate.fingerprint256,
    notAfter: new Date(certificate.validTo),
  };
}

function readSubject(certificate: X509Certificate): NameAttribute[] {
  try {
    return readName(certificateNames(certificate.raw).subject);
  } catch (error) {
    throw new IdentityError(`the subject of the client certificate cannot be read: ${(error as Error).message}`);
  }
}

function userOf(subject: readonly NameAttribute[]): string {
  const names = subject.filter(({ type }) => type === nameTypes.commonName);
  const [first] = names;
  if (first === undefined) throw new IdentityError("the client certificate has no CommonName, which names the user");
  if (names.length > 1) {
    throw new IdentityError(`the client certificate has ${names.length} CommonNames, and a user has one`);
  }
  const user = textOf(first);
  if (isUserName(user)) return user;
  throw new IdentityError(
    `the CommonName ${JSON.stringify(user.slice(0, 80))} of the client certificate is not a user name: ${userNameMend}`,
  );
}

function roleOf(subject: readonly NameAttribute[]): Role {
  const organizations = subject.filter(({ type }) => type === nameTypes.organization).map(textOf);
  const isAdmin = organizations.includes(roleOrganizations.admin ?? "");
  const isViewer = organizations.includes(roleOrganizations.viewer ?? "");
  if (isAdmin && isViewer) {
    throw new IdentityError("the client certificate names two roles, podium:admin and podium:viewer");
  }
  return isAdmin ? "admin" : isViewer ? "viewer" : "user";
}

/** String types of one byte a character. Names and roles are ASCII, so in the others (BMPString) none can be one. */
const byteStrings: readonly number[] = [tags.utf8String, tags.printableString, tags.ia5String, tags.teletexString];

/** Byte by byte: what is not ASCII stays visible as something else, and no decoder can turn it into ASCII. */
function textOf({ tag, value }: NameAttribute): string {
  return byteStrings.includes(tag) ? value.toString("latin1") : `(string type ${tag}) ${value.toString("hex")}`;
}
