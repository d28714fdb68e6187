// The server's side of mutual TLS for grpc-js: TLS 1.3, a client certificate or no connection, reload in place.
import type { X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ServerCredentials } from "@grpc/grpc-js";
import { administratorDays } from "../certs/expiry.ts";
import { crlFile, type LoadedFiles, loadServerFiles, type ServerFiles } from "./tls-files.ts";
import { CertificateTrust, type Trust } from "./trust.ts";

const handshakeTimeoutMs = 10_000;

/** Credentials for `server.bindAsync`, and the trust that `identityOf` asks at each call. */
export class MutualTls extends ServerCredentials implements Trust {
  readonly #files: ServerFiles;
  #loaded: LoadedFiles;
  readonly #readState: string;
  #trust: CertificateTrust;

  /** Reads and checks the files; throws CredentialError. */
  static load(files: ServerFiles, now = new Date()): MutualTls {
    const state = stateOf(files);
    return new MutualTls(files, loadServerFiles(files, now), state);
  }

  private constructor(files: ServerFiles, loaded: LoadedFiles, readState: string) {
    super({ requestCert: true, rejectUnauthorized: true, handshakeTimeout: handshakeTimeoutMs }, loaded.context);
    this.#files = files;
    this.#loaded = loaded;
    this.#readState = readState;
    this.#trust = new CertificateTrust(loaded.authorities, loaded.crls);
  }

  /**
   * Reads the files again. New connections and new calls get the new certificate, authorities and revocation lists;
   * connections and running streams stay. Throws CredentialError and changes nothing when a file is wrong.
   */
  reload(now = new Date()): void {
    const loaded = loadServerFiles(this.#files, now);
    this.updateSecureContextOptions(loaded.context);
    this.#trust = new CertificateTrust(loaded.authorities, loaded.crls, this.#trust);
    this.#loaded = loaded;
  }

  refusalOf(certificate: X509Certificate): string | null {
    return this.#trust.refusalOf(certificate);
  }

  /** Changes when one of the files does, or comes, or goes. */
  state(): string {
    return stateOf(this.#files);
  }

  /** As it was before the files were first read. */
  get readState(): string {
    return this.#readState;
  }

  /** What ends within the given days, one sentence each, for the server's log. */
  warnings(now = new Date(), days = administratorDays): string[] {
    const { certificate, authorities, crls } = this.#loaded;
    const ends = [
      { what: `${this.#files.cert}: the server's certificate`, at: new Date(certificate.validTo) },
      ...authorities.map((authority) => ({
        what: `${this.#files.ca}: the authority ${authority.subject.replaceAll("\n", ", ")}`,
        at: new Date(authority.validTo),
      })),
      ...crls.flatMap(({ nextUpdate }) =>
        nextUpdate === null ? [] : [{ what: `${crlFile(this.#files)}: a revocation list`, at: nextUpdate }],
      ),
    ];
    const limitMs = now.getTime() + days * 86_400_000;
    return ends.filter(({ at }) => at.getTime() < limitMs).map(({ what, at }) => `${what} ends on ${at.toISOString()}`);
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}

function stateOf({ ca, cert, key, crl }: ServerFiles): string {
  const paths = [ca, cert, key, crl ?? join(dirname(ca), "ca.crl")];
  return paths
    .map((path) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found === undefined ? "absent" : [found.ino, found.size, found.mtimeMs, found.ctimeMs].join("/");
    })
    .join(" ");
}
