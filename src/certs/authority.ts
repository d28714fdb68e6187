// The certificate authority of one folder: its own certificate, the server's, and those of users.
import { type KeyObject, X509Certificate } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { encodeProfile } from "../client/profile-file.ts";
import { type Issued, type Issuer, makeCertificate, validityFor } from "./certificate.ts";
import { checkAuthority, checkDates, checkPair, parseCertificateChain, parseKey } from "./checks.ts";
import { authorityDays } from "./defaults.ts";
import { isHost, statedKeyIdentifier } from "./extensions.ts";
import { CredentialError } from "./failure.ts";
import { makeFolder, modes, type NewFile, readText, writeFiles } from "./files.ts";
import { appendIssued, ledgerFile } from "./ledger.ts";
import { attribute, certificateNames, nameTypes } from "./name.ts";
import { writeCrl } from "./revocation.ts";
import { isUserName, type Role, roleOrganizations, userNameMend } from "./user.ts";

export interface Authority {
  readonly folder: string;
  readonly certificate: X509Certificate;
  readonly pem: string;
  readonly issuer: Issuer;
}

export interface InitRequest {
  readonly folder: string;
  /** Names and addresses beside localhost, the loopback addresses and the machine's own name. */
  readonly hosts: readonly string[];
  /** Days that the server's certificate is good for. */
  readonly days: number;
  readonly replace: boolean;
}

/** Makes an authority and a server certificate; returns the paths that it wrote. */
export function initAuthority(request: InitRequest, now = new Date()): string[] {
  const { folder, replace } = request;
  const path = (name: string): string => join(folder, name);
  const names = ["ca.key", "ca.crt", "server.key", "server.crt"];
  if (!replace) refuseExisting(names.map(path));

  const subject = [attribute(nameTypes.organization, "podium"), attribute(nameTypes.commonName, authorityName(now))];
  const ca = makeCertificate(subject, { kind: "authority" }, validityFor(authorityDays, now));
  const authority = authorityOf(folder, ca.certificate, ca.key);
  const server = makeServer(authority, request, now);

  makeFolder(folder);
  const files = [
    keyFile(path("ca.key"), ca.key),
    certificateFile(path("ca.crt"), ca.certificate),
    keyFile(path("server.key"), server.key),
    certificateFile(path("server.crt"), server.certificate),
  ];
  writeFiles(files, replace);
  rmSync(ledgerFile(folder), { force: true }); // what an earlier authority issued is worth nothing under this one
  appendIssued(folder, { name: "server", role: "server", ...recordOf(server) });
  return [...files.map((file) => file.path), writeCrl(authority, now)];
}

/** Two authorities must differ in name, or a server that trusts both during a rotation cannot tell them apart. */
function authorityName(now: Date): string {
  return `podium CA ${now.toISOString()}`;
}

export type ServerRequest = Pick<InitRequest, "hosts" | "days" | "replace">;

/** Makes the server's key and certificate; returns the paths that it wrote. */
export function issueServer(authority: Authority, request: ServerRequest, now = new Date()): string[] {
  const validity = validityFor(request.days, now);
  checkWithinAuthority(authority, request.days, validity.notAfter);
  const server = makeServer(authority, request, now);
  const path = (name: string): string => join(authority.folder, name);
  const files = [keyFile(path("server.key"), server.key), certificateFile(path("server.crt"), server.certificate)];
  appendIssued(authority.folder, { name: "server", role: "server", ...recordOf(server) });
  writeFiles(files, request.replace);
  return files.map((file) => file.path);
}

function makeServer(authority: Authority, request: ServerRequest, now: Date): Issued {
  const hosts = [...new Set(["localhost", "127.0.0.1", "::1", ...ownName(), ...request.hosts])];
  const subject = [attribute(nameTypes.organization, "podium"), attribute(nameTypes.commonName, "podium server")];
  return makeCertificate(subject, { kind: "server", hosts }, validityFor(request.days, now), authority.issuer);
}

function ownName(): string[] {
  return isHost(hostname()) ? [hostname()] : [];
}

/** Opens the authority that `initAuthority` made, or one made with plain openssl under the same file names. */
export function openAuthority(folder: string, now = new Date()): Authority {
  const [certificatePath, keyPath] = [join(folder, "ca.crt"), join(folder, "ca.key")];
  const mend = `make one with: podium certs init --dir ${folder}`;
  const authority = authorityOf(folder, readText(certificatePath, mend), readText(keyPath, mend));
  checkAuthority(authority.certificate, certificatePath);
  checkDates(authority.certificate, certificatePath, now, mend);
  return authority;
}

function authorityOf(folder: string, pem: string, keyPem: string): Authority {
  const [certificatePath, keyPath] = [join(folder, "ca.crt"), join(folder, "ca.key")];
  const [certificate] = parseCertificateChain({ label: certificatePath, pem });
  const key: KeyObject = parseKey({ label: keyPath, pem: keyPem });
  checkPair(certificate, certificatePath, key, keyPath);
  const name = certificateNames(certificate.raw).subject.whole;
  return { folder, certificate, pem, issuer: { name, key, keyIdentifier: statedKeyIdentifier(certificate.raw) } };
}

export interface IssueRequest {
  readonly name: string;
  readonly role: Role;
  /** HOST:PORT that the profile names. */
  readonly server: string;
  readonly days: number;
  readonly replace: boolean;
}

/** Makes a user's certificate, key and profile; returns the paths that it wrote. */
export function issueUser(authority: Authority, request: IssueRequest, now = new Date()): string[] {
  const { name, role, replace } = request;
  if (!isUserName(name)) throw new CredentialError(`${JSON.stringify(name)}: not a user name`, userNameMend);
  if (name === "ca" || name === "server") {
    throw new CredentialError(`${name}: this name is that of the authority's own files`, "choose another name");
  }
  const path = (suffix: string): string => join(authority.folder, `${name}.${suffix}`);
  if (!replace) refuseExisting([path("crt"), path("key"), path("podium")]);

  const validity = validityFor(request.days, now);
  checkWithinAuthority(authority, request.days, validity.notAfter);
  const organization = roleOrganizations[role];
  const subject = [
    ...(organization === null ? [] : [attribute(nameTypes.organization, organization)]),
    attribute(nameTypes.commonName, name),
  ];
  const issued = makeCertificate(subject, { kind: "client" }, validity, authority.issuer);
  const profile = { server: request.server, ca: authority.pem, certificate: issued.certificate, key: issued.key };
  const files = [
    keyFile(path("key"), issued.key),
    certificateFile(path("crt"), issued.certificate),
    keyFile(path("podium"), encodeProfile(profile)),
  ];
  // The ledger first: a certificate that is in nobody's list could not be revoked by name.
  appendIssued(authority.folder, { name, role, ...recordOf(issued) });
  writeFiles(files, replace);
  return files.map((file) => file.path);
}

function checkWithinAuthority({ certificate }: Authority, days: number, notAfter: Date): void {
  if (notAfter <= new Date(certificate.validTo)) return;
  const mend = "give fewer --days, or make a new authority";
  throw new CredentialError(`--days ${days}: the authority ends on ${certificate.validTo}`, mend);
}

function recordOf(issued: Issued): { serial: string; notAfter: string; fingerprint: string } {
  const certificate = new X509Certificate(issued.certificate);
  return {
    serial: certificate.serialNumber,
    notAfter: new Date(certificate.validTo).toISOString(),
    fingerprint: certificate.fingerprint256,
  };
}

function refuseExisting(paths: readonly string[]): void {
  const existing = paths.find((path) => existsSync(path));
  if (existing === undefined) return;
  const mend = "name another folder with --dir, or add --force to replace it for good";
  throw new CredentialError(`${existing}: it exists already and is left as it is`, mend);
}

function keyFile(path: string, content: string): NewFile {
  return { path, content, mode: modes.key };
}

function certificateFile(path: string, content: string): NewFile {
  return { path, content, mode: modes.certificate };
}
