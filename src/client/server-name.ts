// The name by which a server is asked for, and the one that its certificate must be for.
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import type { ServerAddress } from "./profile.ts";

/** The server name to send, as an option of `tls.connect`: RFC 6066 allows names only. */
export function serverNameOf({ host }: ServerAddress): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}

/** Compares the certificate with what the user asked for, whatever name was sent in the handshake. */
export function checkHost(server: ServerAddress, peer: PeerCertificate): Error | undefined {
  return checkServerIdentity(server.host, peer);
}
