// Renewing: a new key and certificate under the same name, with the same role or hosts. The old certificate stays good until
// it ends or is revoked, so that nobody is locked out in between.
import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { decodeProfile } from "../client/profile-file.ts";
import { type Authority, issueServer, issueUser } from "./authority.ts";
import { defaultServer } from "./defaults.ts";
import { CredentialError } from "./failure.ts";
import { readText } from "./files.ts";
import { listCertificates } from "./revocation.ts";

export interface RenewRequest {
  /** A user, or `server`. */
  readonly name: string;
  readonly days: number;
}

/** Returns the paths that it wrote. Throws CredentialError. */
export function renewCertificate(authority: Authority, { name, days }: RenewRequest, now = new Date()): string[] {
  if (name === "ca") {
    const mend = "make a new one with podium certs init --dir, and give the server both ca.crt in one file for a while";
    throw new CredentialError("ca: an authority is not renewed", mend);
  }
  if (name === "server") return issueServer(authority, { hosts: ownHosts(authority.folder), days, replace: true }, now);
  const own = listCertificates(authority.folder, now).filter((entry) => entry.name === name);
  const last = own.findLast(({ state }) => state !== "revoked");
  if (last === undefined || last.role === "server") {
    const why =
      own.length > 0 ? "every certificate of this name is revoked" : "no certificate of this name was issued here";
    throw new CredentialError(
      `${name}: ${why}`,
      `podium certs issue ${name}${own.length > 0 ? " --force" : ""} makes one`,
    );
  }
  const request = { name, role: last.role, server: ownServer(authority.folder, name), days, replace: true };
  return issueUser(authority, request, now);
}

/** The names of the server's present certificate. */
function ownHosts(folder: string): string[] {
  const path = join(folder, "server.crt");
  const { subjectAltName = "" } = new X509Certificate(readText(path, "podium certs init makes it"));
  return subjectAltName.split(", ").flatMap((each) => {
    const host = /^(?:DNS|IP Address):(.+)$/.exec(each)?.[1];
    return host === undefined ? [] : isIPv6(host) ? shortened(host) : host;
  });
}

/** OpenSSL writes 0:0:0:0:0:0:0:1 where people write ::1. */
function shortened(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** The address of the user's present profile. */
function ownServer(folder: string, name: string): string {
  const path = join(folder, `${name}.podium`);
  return (existsSync(path) ? decodeProfile(readText(path), path).server : undefined) ?? defaultServer;
}
